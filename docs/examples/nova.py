"""A small provider plugin in Python: servers of an OpenStack cloud, with a password. See docs/plugin-author.md for how it is built.

It is complete enough for `bootmachine up` against `bootmachine practice`; what a production plugin does beyond it (paging, quotas, networks,
renewing tokens) is in plugins/openstack.
"""

import base64
import functools
import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.exports.plugin import Kind, Manifest, Origin, Setting, SettingFormat_Text, SettingFormat_Url, SettingSource, SettingSource_Env
from wit_world.exports.provider import Address, AddressScope, Image, Server, ServerState, Size
from wit_world.imports import http, log
from wit_world.imports.types import Error, ErrorKind, Label

STATES = {
    "ACTIVE": ServerState.RUNNING,
    "BUILD": ServerState.PENDING,
    "REBOOT": ServerState.PENDING,
    "HARD_REBOOT": ServerState.PENDING,
    "SHUTOFF": ServerState.STOPPED,
    "DELETED": ServerState.DELETING,
    "ERROR": ServerState.FAILED,
}


def fail(kind: ErrorKind, message: str, hint: str | None = None) -> Err:
    """What a call raises."""
    return Err(Error(kind, message, hint, None))


def careful(cls):
    """Makes an error of every exception that nobody caught. Python would print a traceback, for which it looks for files that are not there."""

    def wrapped(method):
        @functools.wraps(method)
        def call(*arguments, **named):
            try:
                return method(*arguments, **named)
            except Err:
                raise
            except Exception as error:
                place = error.__traceback__
                while place and place.tb_next:
                    place = place.tb_next
                line = place.tb_lineno if place else 0
                raise fail(ErrorKind.FAILED, f"{type(error).__name__} in line {line}: {error}") from None

        return call

    for name, method in list(vars(cls).items()):
        if callable(method) and not name.startswith("_"):
            setattr(cls, name, wrapped(method))
    return cls


def setting(name, summary, format=SettingFormat_Text(), required=True, secret=False, default=None, env=None) -> Setting:
    sources: list[SettingSource] = [SettingSource_Env(env)] if env else []
    return Setting(name, summary, format, required, secret, [], default, sources)


class Plugin(exports.Plugin):
    def describe(self) -> Manifest:
        return Manifest(
            name="nova-in-python",
            version="0.1.0",
            kind=Kind.PROVIDER,
            summary="Servers of an OpenStack cloud, as an example",
            homepage=None,
            settings=[
                setting("auth-url", "the identity service, with /v3", SettingFormat_Url(), env="OS_AUTH_URL"),
                setting("username", "the user's name", env="OS_USERNAME"),
                # Handed over as a reference: the value is put in as the request leaves for the origin of `auth-url`.
                setting("password", "the user's password", secret=True, env="OS_PASSWORD"),
                setting("project-name", "the project", env="OS_PROJECT_NAME"),
                setting("domain-name", "the domain of both", required=False, default="Default"),
            ],
            origins=[
                Origin("{auth-url}:*", "the identity service, and what the cloud runs on the same host"),
                Origin("https://*", "the services that the cloud's catalogue names"),
            ],
            secret_headers=["x-subject-token"],
        )


@careful
class Provider(exports.Provider):
    """The component lives as long as a run, but an object of this class only as long as a call: what `connect` learns is kept in the class."""

    token: str
    compute: str
    image: str

    def connect(self, settings, servers) -> None:
        values = {setting.name: setting.value for setting in settings}
        domain = {"name": values["domain-name"]}
        auth = {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": values["username"], "domain": domain, "password": values["password"]}},
            },
            "scope": {"project": {"name": values["project-name"], "domain": domain}},
        }
        log.step("logging in")
        # The token stays with the host: what this plugin finds in the header is a reference.
        capture = http.Capture(http.SecretLocation_Header("x-subject-token"), [])
        answer = self.ask(http.Method.POST, f"{values['auth-url']}/auth/tokens", {"auth": auth}, [capture], idempotent=True)
        Provider.token = next(header.value for header in answer.headers if header.name == "x-subject-token")
        catalog = json.loads(answer.body)["token"]["catalog"]
        Provider.compute = self.endpoint(catalog, "compute")
        Provider.image = self.endpoint(catalog, "image")

    def list_servers(self, labels):
        servers = [self.server(one) for one in self.get(f"{self.compute}/servers/detail")["servers"]]
        wanted = {(label.key, label.value) for label in labels}
        return [server for server in servers if wanted <= {(label.key, label.value) for label in server.labels}]

    def check_servers(self, specs):
        images = {name for image in self.list_images(None) for name in (image.id, image.name)}
        sizes = {name for size in self.list_sizes() for name in (size.id, size.name)}
        answers: list = []
        for spec in specs:
            missing = "image" if spec.image is None else "size" if spec.size is None else None
            if missing:
                message = f"it has no `{missing}`, and this provider makes no server without one"
                answers.append(fail(ErrorKind.INVALID_SETTING, message, f"add it to `[[servers]]`; `bootmachine {missing}s` lists them"))
            elif spec.image not in images:
                answers.append(fail(ErrorKind.NOT_FOUND, f"there is no image `{spec.image}`", "`bootmachine images` lists them"))
            elif spec.size not in sizes:
                answers.append(fail(ErrorKind.NOT_FOUND, f"there is no size `{spec.size}`", "`bootmachine sizes` lists them"))
            else:
                answers.append(Ok(None))
        return answers

    def create_servers(self, specs):
        images = {name: image.id for image in self.list_images(None) for name in (image.name, image.id)}
        sizes = {name: size.id for size in self.list_sizes() for name in (size.name, size.id)}
        requests = [
            self.request(
                http.Method.POST,
                f"{self.compute}/servers",
                {
                    "server": {
                        "name": spec.name,
                        "imageRef": images.get(spec.image, spec.image),
                        "flavorRef": sizes.get(spec.size, spec.size),
                        "metadata": {label.key: label.value for label in spec.labels},
                        "user_data": base64.b64encode(spec.user_data).decode(),
                    }
                },
            )
            for spec in specs
        ]
        # All at the same time, under the host's limits. A server that can not be made is an error in its place.
        made: list = []
        for spec, answer in zip(specs, http.send_all(requests)):
            try:
                id = self.body(answer)["server"]["id"]
                made.append(Ok(Server(id, spec.name, ServerState.PENDING, "BUILD", [], spec.image, spec.size, spec.labels, [], False)))
            except Err as error:
                made.append(error)
        return made

    def destroy_servers(self, ids):
        requests = [self.request(http.Method.DELETE, f"{self.compute}/servers/{id}") for id in ids]
        return [self.done(answer, gone_is_fine=True) for answer in http.send_all(requests)]

    def reboot_servers(self, ids):
        body = {"reboot": {"type": "HARD"}}
        requests = [self.request(http.Method.POST, f"{self.compute}/servers/{id}/action", body) for id in ids]
        return [self.done(answer) for answer in http.send_all(requests)]

    def set_labels(self, id, labels) -> None:
        metadata = {label.key: label.value for label in labels}
        self.ask(http.Method.POST, f"{self.compute}/servers/{id}/metadata", {"metadata": metadata}, idempotent=True)

    def list_images(self, search):
        images = self.get(f"{self.image}/v2/images?status=active&limit=1000")["images"]
        found = [image for image in images if (search or "").lower() in f"{image['name']} {image['id']}".lower()]
        return [Image(one["id"], one["name"], one["created_at"], one.get("architecture"), None) for one in found]

    def list_sizes(self):
        flavors = self.get(f"{self.compute}/flavors/detail")["flavors"]
        return [Size(one["id"], one["name"], one["vcpus"], one["ram"], one["disk"], None) for one in flavors]

    def console_output(self, id) -> str:
        answer = self.ask(http.Method.POST, f"{self.compute}/servers/{id}/action", {"os-getConsoleOutput": {}}, idempotent=True)
        return json.loads(answer.body)["output"]

    # What all of them need.

    def request(self, method, url, body=None, captures=(), idempotent=None) -> http.Request:
        headers = [http.Header("accept", "application/json"), http.Header("content-type", "application/json")]
        if hasattr(self, "token"):
            headers.append(http.Header("x-auth-token", self.token))
        payload = None if body is None else json.dumps(body).encode()
        return http.Request(method, url, headers, payload, None, list(captures), idempotent, None)

    def ask(self, method, url, body=None, captures=(), idempotent=None) -> http.Response:
        """One request; anything but 2xx is raised as an error. `http.send` itself raises where there is no answer at all."""
        answer = http.send(self.request(method, url, body, captures, idempotent))
        if not 200 <= answer.status < 300:
            raise refusal(answer)
        return answer

    def get(self, url):
        return json.loads(self.ask(http.Method.GET, url).body)

    def body(self, answer):
        """The body of one answer of a batch."""
        if isinstance(answer, Err):
            raise answer
        if not 200 <= answer.value.status < 300:
            raise refusal(answer.value)
        return json.loads(answer.value.body)

    def done(self, answer, gone_is_fine=False):
        if isinstance(answer, Err):
            return answer
        status = answer.value.status
        return Ok(None) if 200 <= status < 300 or (gone_is_fine and status == 404) else refusal(answer.value)

    def endpoint(self, catalog, kind) -> str:
        for service in catalog:
            for endpoint in service["endpoints"]:
                if service["type"] == kind and endpoint["interface"] == "public":
                    return endpoint["url"].rstrip("/")
        raise fail(ErrorKind.FAILED, f"the cloud's catalogue has no {kind} service")

    def scope(self, network, address) -> AddressScope:
        public = address.get("OS-EXT-IPS:type") == "floating" or "public" in network
        return AddressScope.PUBLIC if public else AddressScope.PRIVATE

    def server(self, one) -> Server:
        addresses = [
            Address(address["addr"], self.scope(network, address), None)
            for network, addresses in one["addresses"].items()
            for address in addresses
        ]
        fault = one.get("fault", {}).get("message")
        detail = f"{one['status']}: {fault}" if fault else one["status"]
        labels = [Label(key, value) for key, value in one["metadata"].items()]
        state = STATES.get(one["status"], ServerState.UNKNOWN)
        return Server(one["id"], one["name"], state, detail, addresses, None, None, labels, [], False)


def refusal(answer: http.Response) -> Err:
    """Why the cloud said no, in its own words. The kind decides whether the host tries again."""
    kinds = {
        400: ErrorKind.INVALID_SETTING,
        401: ErrorKind.UNAUTHENTICATED,
        403: ErrorKind.PERMISSION_DENIED,
        404: ErrorKind.NOT_FOUND,
        429: ErrorKind.RATE_LIMITED,
    }
    kind = kinds.get(answer.status, ErrorKind.UNAVAILABLE if answer.status >= 500 else ErrorKind.FAILED)
    words = answer.body.decode(errors="replace")[:300]
    if kind is ErrorKind.PERMISSION_DENIED and "quota" in words.lower():
        kind = ErrorKind.QUOTA_EXCEEDED
    return fail(kind, f"the cloud answered {answer.status}: {words}")
