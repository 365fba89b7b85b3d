"""Who we are to S3: botocore's session with its chain of credentials, and the role that an output takes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from flbrecover.bucket.signing import Keys

_ROLE_SESSION = "flbrecover"


@dataclass(frozen=True, slots=True)
class Identity:
    """Where credentials come from. ``own_profile`` is the output's: it is taken where this machine has it and nothing
    else is said. ``keys``: none of all that, but these (of a server of our own). Holds no secret but those."""

    profile: str | None = None
    own_profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    keys: Keys | None = field(default=None, repr=False)


def session_of(identity: Identity, region: str) -> Session:
    """A new session; the credentials' files are read anew. Raises what botocore raises: ProfileNotFound and others."""
    session = Session(profile=identity.profile or _known(identity.own_profile))
    session.set_config_variable("region", region)
    session.get_scoped_config()  # here a profile that does not exist is noticed
    if identity.keys is not None:
        session.set_credentials(identity.keys.access_key, identity.keys.secret_key, identity.keys.token)
    if identity.role_arn is not None:
        return _with_role(session, identity.role_arn, identity.external_id, region)
    return session


def keys_of(session: Session) -> Keys:
    """The session's credentials as they are now, refreshed where they are about to expire. Raises NoCredentialsError
    and what botocore raises where they cannot be fetched."""
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    now = credentials.get_frozen_credentials()
    if not now.access_key or not now.secret_key:
        raise NoCredentialsError
    return Keys(now.access_key, now.secret_key, now.token)


def _known(profile: str | None) -> str | None:
    said = any(os.environ.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID"))
    return profile if profile and not said and profile in Session().available_profiles else None


class _RoleProvider(CredentialProvider):
    """Takes a role when credentials are first needed, and again before they expire."""

    METHOD = "assume-role"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


def _with_role(inner: Session, role_arn: str, external_id: str | None, region: str) -> Session:
    source = inner.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=inner.create_client,
        source_credentials=source,
        role_arn=role_arn,
        extra_args={"RoleSessionName": _ROLE_SESSION} | ({"ExternalId": external_id} if external_id else {}),
    )
    credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
    outer = botocore.session.Session()
    outer.set_config_variable("region", region)
    outer.register_component("credential_provider", CredentialResolver([_RoleProvider(credentials)]))
    return outer
