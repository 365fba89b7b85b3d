"""Will this Fluent Bit lose or duplicate data? Rules over its configuration and the Kubernetes manifests around it."""
