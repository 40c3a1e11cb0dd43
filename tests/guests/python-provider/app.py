"""A small provider in Python: lists and creates servers of an OpenStack cloud that all lies behind one origin.

Written with nothing at hand but `wit/` and `docs/plugin-author.md`. It shows the contract from another language; for a cloud in earnest there
is the `openstack` plugin.
"""

import base64
import functools
import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.exports.plugin import (
    Kind,
    Manifest,
    Origin,
    Setting,
    SettingFormat_Text,
    SettingFormat_Url,
    SettingSource_Env,
)
from wit_world.exports.provider import Address, AddressScope, Image, Server, ServerState, Size
from wit_world.imports import http, log
from wit_world.imports.types import Error, ErrorKind, Label

STATES = {
    "BUILD": ServerState.PENDING,
    "REBOOT": ServerState.PENDING,
    "ACTIVE": ServerState.RUNNING,
    "SHUTOFF": ServerState.STOPPED,
    "DELETED": ServerState.DELETING,
    "ERROR": ServerState.FAILED,
}

KINDS = {
    400: ErrorKind.INVALID_SETTING,
    401: ErrorKind.UNAUTHENTICATED,
    403: ErrorKind.PERMISSION_DENIED,
    404: ErrorKind.NOT_FOUND,
    409: ErrorKind.ALREADY_EXISTS,
    429: ErrorKind.RATE_LIMITED,
}


def failure(kind, message, hint=None):
    return Err(Error(kind, message, hint, None))


def careful(call):
    """An exception that nobody catches ends the instance without a word: the operator should read what it was."""

    @functools.wraps(call)
    def wrapped(*arguments):
        try:
            return call(*arguments)
        except Err:
            raise
        except Exception as error:
            raise failure(ErrorKind.FAILED, f"the service's answer was not understood: {type(error).__name__}: {error}") from None

    return wrapped


class Cloud:
    """What `connect` learnt. One for an instance."""

    def __init__(self, settings):
        self.auth_url = settings["auth-url"].rstrip("/")
        self.token = None
        self.endpoints = {}
        self.log_in(settings)

    def log_in(self, settings):
        log.step("logging in")
        domain = {"name": "Default"}
        user = {"name": settings["username"], "domain": domain, "password": settings["password"]}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": settings["project-name"], "domain": domain}},
            }
        }
        # The token stays with the host: what stands in the header is a reference.
        capture = http.Capture(http.SecretLocation_Header("x-subject-token"), [])
        response = self.send("POST", self.auth_url + "/auth/tokens", body, [capture])
        self.token = next(header.value for header in response.headers if header.name == "x-subject-token")
        for service in json.loads(response.body)["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public" and service["type"] not in self.endpoints:
                    self.endpoints[service["type"]] = endpoint["url"].rstrip("/")

    def request(self, method, url, body=None, captures=()):
        headers = [http.Header("accept", "application/json")]
        content = None
        if self.token:
            headers.append(http.Header("x-auth-token", self.token))
        if body is not None:
            headers.append(http.Header("content-type", "application/json"))
            content = json.dumps(body).encode()
        return http.Request(http.Method[method], url, headers, content, None, list(captures), None, None)

    def send(self, method, url, body=None, captures=()):
        return self.checked(http.send(self.request(method, url, body, captures)))

    def checked(self, response):
        if response.status < 400:
            return response
        try:
            # {"badRequest": {"code": 400, "message": …}}
            message = next(iter(json.loads(response.body).values()))["message"]
        except (ValueError, LookupError, TypeError, StopIteration, AttributeError):
            message = f"the service answered {response.status}"
        kind = ErrorKind.UNAVAILABLE if response.status >= 500 else KINDS.get(response.status, ErrorKind.FAILED)
        raise failure(kind, message)

    def pages(self, service, path, key):
        """The items of a collection, page after page."""
        if service not in self.endpoints:
            raise failure(ErrorKind.UNSUPPORTED, f"the catalogue has no service of type {service}")
        url = self.endpoints[service] + path
        while url:
            page = json.loads(self.send("GET", url).body)
            yield from page[key]
            links = page.get(key + "_links") or []
            url = next((link["href"] for link in links if link["rel"] == "next"), None)
            if page.get("next"):
                url = self.endpoints[service] + page["next"]

    def images(self):
        return list(self.pages("image", "/v2/images", "images"))

    def flavors(self):
        return list(self.pages("compute", "/flavors/detail", "flavors"))


def find(items, what, wanted):
    """The identifier of the one item of this identifier or name."""
    if wanted is None:
        message = f"it has no `{what}`, and this provider makes no server without one"
        raise failure(ErrorKind.INVALID_SETTING, message, f"add it to `[[servers]]`; `bootmachine {what}s` lists them")
    found = [item["id"] for item in items if wanted in (item["id"], item["name"])]
    if len(found) == 1:
        return found[0]
    if found:
        raise failure(ErrorKind.INVALID_SETTING, f"several {what}s are called `{wanted}`", "use one of: " + ", ".join(found))
    names = ", ".join(sorted(item["name"] for item in items))
    raise failure(ErrorKind.NOT_FOUND, f"there is no {what} `{wanted}`", f"there are: {names}")


def server(raw):
    addresses = [
        Address(address["addr"], AddressScope.PUBLIC, None)
        for network in (raw.get("addresses") or {}).values()
        for address in network
    ]
    # The answer to a create has neither status nor addresses.
    status = raw.get("status", "BUILD")
    fault = (raw.get("fault") or {}).get("message")
    detail = f"{status}: {fault.strip()}" if fault else status
    labels = [Label(key, value) for key, value in (raw.get("metadata") or {}).items()]
    image, size = (raw.get("image") or {}).get("id"), (raw.get("flavor") or {}).get("original_name")
    return Server(raw["id"], raw.get("name", ""), STATES.get(status, ServerState.UNKNOWN), detail, addresses, image, size, labels, [], False)


CLOUD = None


def connected():
    if CLOUD is None:
        raise failure(ErrorKind.FAILED, "`connect` was not called")
    return CLOUD


class Plugin(exports.Plugin):
    def describe(self):
        def setting(name, summary, format, secret=False, default=None, sources=()):
            return Setting(name, summary, format, default is None, secret, [], default, list(sources))

        settings = [
            setting("auth-url", "where Keystone answers", SettingFormat_Url()),
            setting("username", "who logs in", SettingFormat_Text()),
            setting("project-name", "the project of the servers", SettingFormat_Text()),
            setting("password", "the user's password", SettingFormat_Text(), True, None, [SettingSource_Env("OS_PASSWORD")]),
        ]
        origins = [Origin("{auth-url}", "Keystone and, behind the same origin, everything else")]
        return Manifest("python-nova", "0.1.0", Kind.PROVIDER, "A small OpenStack cloud, from Python", None, settings, origins, [])


class Provider(exports.Provider):
    @careful
    def connect(self, settings, servers):
        global CLOUD
        CLOUD = Cloud({setting.name: setting.value for setting in settings})

    @careful
    def list_servers(self, labels):
        wanted = {(label.key, label.value) for label in labels}
        raw = connected().pages("compute", "/servers/detail", "servers")
        return [server(one) for one in raw if wanted <= set((one.get("metadata") or {}).items())]

    @careful
    def check_servers(self, specs):
        cloud = connected()
        images, flavors = cloud.images(), cloud.flavors()
        answers = []
        for spec in specs:
            try:
                find(images, "image", spec.image)
                find(flavors, "size", spec.size)
                answers.append(Ok(None))
            except Err as error:
                answers.append(error)
        return answers

    @careful
    def create_servers(self, specs):
        cloud = connected()
        images, flavors = cloud.images(), cloud.flavors()
        answers = [None] * len(specs)
        requests = []
        for index, spec in enumerate(specs):
            try:
                body = {
                    "name": spec.name,
                    "imageRef": find(images, "image", spec.image),
                    "flavorRef": find(flavors, "size", spec.size),
                    "metadata": {label.key: label.value for label in spec.labels},
                    "user_data": base64.b64encode(spec.user_data).decode(),
                }
                requests.append((index, cloud.request("POST", cloud.endpoints["compute"] + "/servers", {"server": body})))
            except Err as error:
                answers[index] = error
        log.step(f"creating {len(requests)} servers")
        for (index, _), answer in zip(requests, http.send_all([request for _, request in requests])):
            try:
                if isinstance(answer, Err):
                    raise answer
                raw = json.loads(cloud.checked(answer.value).body)["server"]
                spec = specs[index]
                made = server({**raw, "name": spec.name})
                made.labels = spec.labels
                answers[index] = Ok(made)
            except Err as error:
                answers[index] = error
        return answers

    def each(self, ids, method, path="", body=None, gone_is_fine=False):
        cloud = connected()
        base = cloud.endpoints["compute"] + "/servers/"
        answers = []
        for answer in http.send_all([cloud.request(method, base + id + path, body) for id in ids]):
            try:
                if isinstance(answer, Err):
                    raise answer
                if not (gone_is_fine and answer.value.status == 404):
                    cloud.checked(answer.value)
                answers.append(Ok(None))
            except Err as error:
                answers.append(error)
        return answers

    @careful
    def destroy_servers(self, ids):
        return self.each(ids, "DELETE", gone_is_fine=True)

    @careful
    def reboot_servers(self, ids):
        return self.each(ids, "POST", "/action", {"reboot": {"type": "HARD"}})

    @careful
    def set_labels(self, id, labels):
        body = {"metadata": {label.key: label.value for label in labels}}
        cloud = connected()
        cloud.send("POST", f"{cloud.endpoints['compute']}/servers/{id}/metadata", body)

    @careful
    def list_images(self, search):
        found = [one for one in connected().images() if search is None or search.lower() in one["name"].lower()]
        return [Image(one["id"], one["name"], one.get("created_at"), one.get("architecture"), None) for one in found]

    @careful
    def list_sizes(self):
        return [Size(one["id"], one["name"], one["vcpus"], one["ram"], one["disk"], None) for one in connected().flavors()]

    @careful
    def console_output(self, id):
        cloud = connected()
        url = f"{cloud.endpoints['compute']}/servers/{id}/action"
        return json.loads(cloud.send("POST", url, {"os-getConsoleOutput": {}}).body)["output"]
