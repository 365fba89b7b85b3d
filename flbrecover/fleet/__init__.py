"""Many nodes of one incident: the manifest that recovers each, what each leaves in S3, and one report of all."""
