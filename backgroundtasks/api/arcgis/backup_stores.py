"""`/system/disasterrecovery/stores`: backup stores, registered and chosen."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import operations
from backgroundtasks.api.arcgis import values
from backgroundtasks.api.arcgis.access import SECURITY_AND_INFRASTRUCTURE
from backgroundtasks.api.arcgis.errors import invalid
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.arcgis.resource import Body, Call, Done, Link, Operation, Resource, facts
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.errors import StoreUnreachable
from backgroundtasks.models import StoreKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATH: Final = "system/disasterrecovery/stores"

#: The vendor's word for a folder, and what a bucket is called; read in any letter case.
_TYPES: Final = {StoreKind.LOCAL.value: "HOSTED", StoreKind.S3.value: "S3"}
_KINDS: Final = {
    "HOSTED": StoreKind.LOCAL.value,
    "S3": StoreKind.S3.value,
    "AMAZON": StoreKind.S3.value,
}
#: Of `storageConfig`, and ours.
_BUCKET: Final = {
    "bucket": "bucket",
    "prefix": "prefix",
    "endpointUrl": "endpoint_url",
    "region": "region",
}
#: Of a Kubernetes volume: we make a folder instead.
_OF_VOLUMES: Final = frozenset({"provisioningType", "storageClass", "size", "labels"})
_CREDENTIALS: Final = (
    Field("accessKeyId", "Access key id", help="Of a bucket.", extension=True),
    Field(
        "secretAccessKey",
        "Secret access key",
        "password",
        help="Encrypted, and never shown again.",
        extension=True,
    ),
)


def store_body(known: stores.Known) -> Body:
    """Return a store; its credentials are nowhere in it."""
    if known.kind == StoreKind.LOCAL:
        config = dict(known.settings)
    else:
        config = {word: known.settings.get(name) or "" for word, name in _BUCKET.items()}
    return {
        "name": known.name,
        "default": known.is_default,
        "isDefault": known.is_default,
        "type": _TYPES[known.kind],
        "settings": {"type": _TYPES[known.kind], "storageConfig": config},
        "registered": known.registered,
    }


@contextmanager
def reachable() -> Iterator[None]:
    """Say in a line what the file system refuses, without its paths."""
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(error.strerror or type(error).__name__) from None


def _list(call: Call) -> Body:
    return {"backupStores": [store_body(known) for known in stores.all_known()]}


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            store["name"],
            f"{PATH}/{store['name']}",
            facts=facts(store, "type", "default", "registered"),
        )
        for store in body["backupStores"]
    ]


def _show(call: Call) -> Body:
    return store_body(stores.known(call.parts["store_name"]))


def _register(call: Call) -> Done:
    given = call.given
    name = values.required(given, "storeName")
    kind, settings = _wished(name, values.json_object(given, "settings"))
    values.flag(given, "async")  # it takes no longer than one look
    with reachable():
        known = operations.register_store(
            call.actor,
            name,
            kind,
            settings,
            _credentials(call),
            make_default=values.flag(given, "isDefault"),
        )
    body = {"status": "success", "success": True, **store_body(known)}
    return Done(body, f"{PATH}/{known.name}")


def _wished(name: str, settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return kind and settings of a store from the vendor's JSON."""
    kind = _KINDS.get(str(settings.get("type", "HOSTED")).upper())
    if kind is None:
        raise invalid(f"settings.type is one of {', '.join(_KINDS)}.")
    config = settings.get("storageConfig", {})
    if not isinstance(config, dict):
        raise invalid("settings.storageConfig is an object.")
    if unknown := sorted(set(settings) - {"type", "storageConfig", "supportBDSBackup"}):
        raise invalid(
            f"settings has no {unknown[0][:60]!r}; accessKeyId and secretAccessKey are parameters "
            "of their own."
        )
    config = {key: value for key, value in config.items() if key not in _OF_VOLUMES}
    if kind == StoreKind.LOCAL:
        return kind, {"path": name, **config}
    if unknown := sorted(set(config) - set(_BUCKET)):
        raise invalid(f"settings.storageConfig has no {unknown[0][:60]!r}.")
    return kind, {_BUCKET[key]: value for key, value in config.items()}


def _credentials(call: Call) -> dict[str, str]:
    return {
        "access_key_id": call.given.word("accessKeyId"),
        "secret_access_key": call.given.text("secretAccessKey") or "",
    }


def _update(call: Call) -> Done:
    name = stores.known(call.parts["store_name"]).name
    credentials = _credentials(call)
    renews = any(credentials.values())
    chooses = bool(call.given.word("settings")) or not renews
    if chooses and values.json_object(call.given, "settings") != {"default": True}:
        raise invalid('settings is {"default": true}; to take that away, give it to another.')
    # First what a server may refuse: nothing has changed then.
    if renews:
        with reachable():
            operations.renew_store_credentials(call.actor, name, credentials)
    if chooses:
        operations.make_store_default(call.actor, name)
    return Done({"status": "success", "success": True}, call.path)


def _validate(call: Call) -> Done:
    with reachable():
        operations.validate_store(call.actor, stores.known(call.parts["store_name"]).name)
    return Done({"status": "success", "success": True}, call.path)


def _unregister(call: Call) -> Done:
    operations.unregister_store(
        call.actor,
        stores.known(call.parts["store_name"]).name,
        leave_backups=values.flag(call.given, "leaveBackups"),
    )
    return Done({"status": "success", "success": True}, PATH)


def _fields_to_register(_call: Call) -> Sequence[Field]:
    return (
        Field("storeName", "Store name", required=True),
        Field(
            "settings",
            "Settings",
            "textarea",
            required=True,
            help="JSON. A folder below those that the installation allows, or a bucket: "
            '{"type": "S3", "storageConfig": {"bucket": "…", "endpointUrl": "…"}}.',
            value='{"type": "HOSTED", "storageConfig": {"path": "…"}}',
        ),
        Field("isDefault", "Default", "checkbox"),
        Field(
            "async",
            "Asynchronous",
            "checkbox",
            help="Taken, and not needed.",
        ),
        *_CREDENTIALS,
    )


def _fields_to_update(_call: Call) -> Sequence[Field]:
    return (
        Field(
            "settings",
            "Settings",
            "textarea",
            help='JSON: {"default": true} makes it the default; empty: that stays as it is.',
        ),
        *_CREDENTIALS,
    )


def _fields_to_unregister(_call: Call) -> Sequence[Field]:
    return (
        Field(
            "leaveBackups",
            "Leave backups behind",
            "checkbox",
            help="Even though there are backups in it, or it cannot be reached.",
            extension=True,
        ),
    )


STORES: Final = Resource(
    PATH,
    SECURITY_AND_INFRASTRUCTURE,
    _list,
    operations=(
        Operation(
            "register",
            "Register",
            _register,
            _fields_to_register,
            "Tries a folder or a bucket out, and takes backups there from now on.",
        ),
    ),
    links=_listed,
    listed=("backupStores",),
    text="Where backups lie.",
)
STORE: Final = Resource(
    f"{PATH}/<str:store_name>",
    SECURITY_AND_INFRASTRUCTURE,
    _show,
    operations=(
        Operation(
            "update",
            "Update",
            _update,
            _fields_to_update,
            "Makes it the default, or gives it other credentials.",
        ),
        Operation(
            "validate",
            "Validate",
            _validate,
            text="Lists it, writes something, reads it back and removes it.",
        ),
        Operation(
            "unregister",
            "Unregister",
            _unregister,
            _fields_to_unregister,
            "Forgets it; nothing in it is deleted.",
            destructive=True,
        ),
    ),
)
