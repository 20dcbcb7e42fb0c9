"""Kubernetes, as far as voxelmill needs it: Jobs of one namespace, their pods and events.

The only file that imports the client library. In: the namespace. Out: `Api`, whose answers are
plain JSON values; a refusal is `AccessDenied`, no answer `StoreUnavailable`. The rights that it
needs are in ``profiles/kubernetes/manifests/role.yaml``.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable

MOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""What a pod is told about its cluster."""
ANSWER_S = 60
"""How long an answer may take."""
FORBIDDEN, ABSENT = 403, 404
JSON = "application/json"
TYPES = {"PATCH": "application/merge-patch+json"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """The API server, asked about one namespace.

    Parameters
    ----------
    given : str
        Namespace; empty: that of this pod, or of the current context of the user's kubeconfig.
    """

    given: str = ""

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - untyped library
        try:
            from kubernetes import client, config
        except ImportError:
            raise BadConfig(
                "kubernetes: its client is not installed. pip install voxelmill[kubernetes]"
            ) from None
        try:
            config.load_kube_config()
        except config.ConfigException:
            try:
                config.load_incluster_config()
            except config.ConfigException:
                raise BadConfig(
                    "kubernetes: no cluster is known here; allowed: a kubeconfig (KUBECONFIG, or "
                    "~/.kube/config), or a pod with a service account. Log in first"
                ) from None
        return client.ApiClient()

    @cached_property
    def namespace(self) -> str:
        """Namespace of all calls."""
        return self.given or _context() or _of_pod() or "default"

    def may(self, verb: str, resource: str, group: str = "", name: str = "") -> bool:
        """Whether we are allowed to; `resource` may name a part: ``pods/log``."""
        kind, _, part = resource.partition("/")
        asked = {"namespace": self.namespace, "verb": verb, "group": group, "resource": kind,
                 "subresource": part, "name": name}  # fmt: skip
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": asked}}  # fmt: skip
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(json.loads(self._call("POST", path, body))["status"].get("allowed"))

    def jobs(self, label: str) -> list[Json]:
        """Jobs with a label ``key=value``."""
        return self._list(self._batch, labelSelector=label)

    def pods(self, label: str = "", name: str = "") -> list[Json]:
        """Pods with a label, or of a name."""
        field = f"metadata.name={name}" if name else ""
        return self._list(self._core("pods"), labelSelector=label, fieldSelector=field)

    def events(self, name: str) -> list[str]:
        """What the cluster has to say about an object, oldest first."""
        found = self._list(self._core("events"), fieldSelector=f"involvedObject.name={name}")
        found.sort(key=lambda event: event.get("lastTimestamp") or "")
        return [str(event.get("message", "")) for event in found]

    def log(self, pod: str, lines: int) -> str:
        """End of what a pod has printed; empty where there is nothing to be had."""
        path = f"{self._core('pods')}/{pod}/log"
        return self._call("GET", path, query={"tailLines": str(lines)}, absent="")

    def create_job(self, body: Mapping[str, Any]) -> str:
        """Create a Job; return its name."""
        return str(json.loads(self._call("POST", self._batch, body))["metadata"]["name"])

    def delete_job(self, name: str) -> None:
        """Delete a Job and its pods, if it is there."""
        body = {"propagationPolicy": "Background"}
        self._call("DELETE", f"{self._batch}/{name}", body, absent="")

    def delete_pod(self, name: str) -> None:
        """Delete a pod, if it is there."""
        self._call("DELETE", f"{self._core('pods')}/{name}", absent="")

    def delete_secret(self, name: str) -> None:
        """Delete a Secret, if it is there."""
        self._call("DELETE", f"{self._core('secrets')}/{name}", absent="")

    def secret(self, name: str) -> dict[str, bytes]:
        """Entries of a Secret; none where there is none."""
        found = json.loads(self._call("GET", f"{self._core('secrets')}/{name}", absent="{}"))
        return {key: b64decode(text) for key, text in (found.get("data") or {}).items()}

    def put_secret(self, name: str, entries: Mapping[str, bytes | None]) -> None:
        """Change entries of a Secret, and leave others; None removes one. Makes it if need be."""
        data = {k: None if v is None else b64encode(v).decode() for k, v in entries.items()}
        path = self._core("secrets")
        if self._call("PATCH", f"{path}/{name}", {"data": data}, absent=""):
            return
        whole = {k: v for k, v in data.items() if v is not None}
        meta = {"name": name, "labels": {"app": "voxelmill"}}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": whole}
        self._call("POST", path, body)

    def own_pod(self) -> Json | None:
        """The pod that this process runs in; None outside of the cluster."""
        name = os.environ.get("HOSTNAME", "")
        return next(iter(self.pods(name=name)), None) if MOUNT.exists() and name else None

    @property
    def _batch(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    def _core(self, kind: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{kind}"

    def _list(self, path: str, **query: str) -> list[Json]:
        given = {name: value for name, value in query.items() if value}
        found: list[Json] = json.loads(self._call("GET", path, query=given))["items"]
        return found

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        absent: str | None = None,
    ) -> str:
        """Text of the answer to one request; `absent` instead where there is no such object."""
        client = self._client

        def ask() -> str:
            response = client.call_api(
                path,
                method,
                query_params=[*(query or {}).items()],
                header_params={"Accept": "*/*", "Content-Type": TYPES.get(method, JSON)},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=ANSWER_S,
                _return_http_data_only=True,
            )
            return str(response.data.decode(errors="replace"))

        return _answer(ask, path, absent)


def _answer(ask: Callable[[], str], path: str, absent: str | None) -> str:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return ask()
    except ApiException as error:
        if error.status == ABSENT and absent is not None:
            return absent
        said = _said(error.body) or str(error.reason)
        if error.status == FORBIDDEN:
            raise AccessDenied(
                f"kubernetes: {said}. Apply profiles/kubernetes/manifests, or ask for the rights "
                "in its role.yaml"
            ) from None
        raise StoreUnavailable(f"kubernetes: {path}: {error.status} {said}") from None
    except HTTPError as error:
        raise StoreUnavailable(f"kubernetes: no answer ({' '.join(str(error).split())})") from None


def _said(body: object) -> str:
    """Message of a refusal."""
    try:
        return str(json.loads(str(body))["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _context() -> str:
    """Namespace of the current context of the user's kubeconfig; empty without one."""
    from kubernetes import config

    try:
        _, active = config.list_kube_config_contexts()
    except config.ConfigException:
        return ""
    return str(active["context"].get("namespace", ""))


def _of_pod() -> str:
    path = MOUNT / "namespace"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""
