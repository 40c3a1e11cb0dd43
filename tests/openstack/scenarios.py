"""What is asked of both clouds. Each scenario begins in a cloud that has nothing but what it is furnished with, as the user `practice`.

`{name}` in a path or body is what an earlier answer had at the place that its `keep` names. `until` asks again until the answer has a value
at a place. `token` is the user's own (the default), `none`, `wrong`, or a kept one.
"""

import base64

DOMAIN = {"id": "default"}


def ask(name, method, service, path, body=None, **more):
    request = {"method": method, "service": service, "path": path}
    if body is not None:
        request["body"] = body
    request.update({key: more.pop(key) for key in ("headers", "version", "token") if key in more})
    return {"name": name, "request": request, **more}


def get(name, service, path, **more):
    return ask(name, "GET", service, path, **more)


def post(name, service, path, body, **more):
    return ask(name, "POST", service, path, body, **more)


def put(name, service, path, body, **more):
    return ask(name, "PUT", service, path, body, **more)


def delete(name, service, path, **more):
    return ask(name, "DELETE", service, path, **more)


IMAGE = get("the image", "image", "/v2/images?name=Debian%2013", keep={"image": "/images/0/id"})
INSIDE = get("the network", "network", "/v2.0/networks?name=private", keep={"inside": "/networks/0/id"})
OUTSIDE = get("the external network", "network", "/v2.0/networks?name=public", keep={"outside": "/networks/0/id"})
NOWHERE = "00000000-0000-4000-8000-000000000000"
SERVERS = "/v2.1/servers"


def login(user=None, project=None, methods=None, scope=True, **identity):
    """The body of a request for a token."""
    user = user if user is not None else {"name": "practice", "domain": DOMAIN, "password": "practice-password"}
    identity = identity or {"password": {"user": user}}
    body = {"identity": {"methods": methods or list(identity), **identity}}
    if scope is True:
        body["scope"] = {"project": project if project is not None else {"name": "practice", "domain": DOMAIN}}
    elif scope is not None:
        body["scope"] = scope
    return {"auth": body}


TOKENS = "/v3/auth/tokens"


def token(name, body, **more):
    return post(name, "identity", TOKENS, body, token=more.pop("token", "none"), **more)


def person(**changes):
    user = {"name": "practice", "domain": DOMAIN, "password": "practice-password"}
    user.update(changes)
    return {key: value for key, value in user.items() if value is not None}


CREDENTIAL = {"name": "bootmachine", "user": {"name": "practice", "domain": DOMAIN}, "secret": "practice-application-credential-secret"}

IDENTITY = [
    token("a token", login(), keep={"mine": "header:x-subject-token", "project": "/token/project/id", "user": "/token/user/id"}),
    token("a token for the project by id", login(project={"id": "{project}"})),
    token("a token by the user's id", login(user={"id": "{user}", "password": "practice-password"})),
    token("a token with the domain's name", login(user=person(domain={"name": "Default"}))),
    token("a token without a scope", login(scope=None)),
    token("a token that is to have no scope", login(scope="unscoped"), keep={"unscoped": "header:x-subject-token"}),
    ask("a token without the catalogue", "POST", "identity", TOKENS + "?nocatalog", login(), token="none"),
    token("a wrong password", login(user=person(password="guess"))),
    token("an unknown user", login(user=person(name="nobody"))),
    token("an unknown domain", login(user=person(domain={"name": "nowhere"}))),
    token("an unknown project", login(project={"name": "nothing", "domain": DOMAIN})),
    token("an unknown project by id", login(project={"id": "00000000000040008000000000000000"})),
    token("a project without its domain", login(project={"name": "practice"})),
    token("a user without a domain", login(user=person(domain=None))),
    token("no password", login(user=person(password=None))),
    token("neither name nor id", login(user=person(name=None))),
    token("an unknown method", login(methods=["magic"], magic={})),
    token("a method without what belongs to it", login(methods=["password"], token={"id": "x"})),
    token("no methods", {"auth": {"identity": {}}}),
    token("no identity", {"auth": {}}),
    token("nothing", {}),
    ask("no JSON", "POST", "identity", TOKENS, "{", token="none", headers={"content-type": "application/json"}),
    token("an application credential", login(scope=None, application_credential=CREDENTIAL)),
    token("an application credential by id", login(scope=None, application_credential={"id": "{credential}", "secret": CREDENTIAL["secret"]})),
    token("an application credential with a scope", login(application_credential=CREDENTIAL)),
    token("a wrong secret", login(scope=None, application_credential={**CREDENTIAL, "secret": "guess"})),
    token("an unknown credential", login(scope=None, application_credential={**CREDENTIAL, "name": "nothing"})),
    token("an unknown credential by id", login(scope=None, application_credential={"id": "0" * 32, "secret": "guess"})),
    token("a token of a token", login(token={"id": "{mine}"})),
    token("a token of no token", login(token={"id": "gAAAAA-no-token"})),
    get("a look at a token", "identity", TOKENS, headers={"x-subject-token": "{mine}"}),
    get("a look at no token", "identity", TOKENS, headers={"x-subject-token": "gAAAAA-no-token"}),
    get("the catalogue", "identity", "/v3/auth/catalog"),
    get("the catalogue without a token", "identity", "/v3/auth/catalog", token="none"),
    get("the catalogue without a scope", "identity", "/v3/auth/catalog", token="unscoped"),
    get("the projects", "identity", "/v3/auth/projects"),
    get("servers without a token", "compute", SERVERS, token="none"),
    get("servers with a wrong token", "compute", SERVERS, token="wrong"),
    get("images without a token", "image", "/v2/images", token="none"),
    get("images with a wrong token", "image", "/v2/images", token="wrong"),
    get("networks without a token", "network", "/v2.0/networks", token="none"),
    get("networks with a wrong token", "network", "/v2.0/networks", token="wrong"),
    delete("a token revoked", "identity", TOKENS, headers={"x-subject-token": "{mine}"}),
    get("servers with a revoked token", "compute", SERVERS, token="mine", until={"status": 401}),
    get("nothing of Keystone", "identity", "/v3/nothing"),
]

VERSIONS = [
    get("versions of Keystone", "identity", "/", token="none"),
    get("version of Keystone", "identity", "/v3", token="none"),
    get("version of Keystone with a slash", "identity", "/v3/", token="none"),
    get("versions of Nova", "compute", "/", token="none", version=""),
    get("version of Nova", "compute", "/v2.1/", token="none", version=""),
    get("version of Nova with a token", "compute", "/v2.1/", version=""),
    get("version of Nova with a microversion", "compute", "/v2.1/", version="2.79"),
    get("versions of Glance", "image", "/", token="none"),
    get("versions of Glance by name", "image", "/versions", token="none"),
    get("versions of Neutron", "network", "/", token="none"),
    get("version of Neutron", "network", "/v2.0/"),
    get("no microversion", "compute", SERVERS, version=""),
    get("microversion 2.1", "compute", SERVERS, version="2.1"),
    get("the newest microversion", "compute", SERVERS, version="latest"),
    get("the old header", "compute", SERVERS, version="", headers={"x-openstack-nova-api-version": "2.26"}),
    get("another service's microversion", "compute", SERVERS, version="", headers={"openstack-api-version": "volume 3.1"}),
    get("a microversion that is too high", "compute", SERVERS, version="2.999"),
    get("a microversion that is too low", "compute", SERVERS, version="2.0"),
    get("another major version", "compute", SERVERS, version="3.1"),
    get("no microversion's number", "compute", SERVERS, version="two"),
    get("a path that is not there", "compute", "/v2.1/nothing"),
    ask("a method that is not there", "PUT", "compute", SERVERS, {}),
    get("no path of Glance", "image", "/v2/nothing"),
    get("no path of Neutron", "network", "/v2.0/nothing"),
]


def server(name="web", **changes):
    wish = {"name": name, "imageRef": "{image}", "flavorRef": "1", "networks": [{"uuid": "{inside}"}]}
    wish.update(changes)
    return {"server": {key: value for key, value in wish.items() if value is not None}}


def refused(name, /, **changes):
    return post(name, "compute", SERVERS, server(**changes))


# m1.tiny has too small a disk for the images.
SMALL = {"flavorRef": "2"}

REFUSALS = [
    IMAGE,
    INSIDE,
    OUTSIDE,
    get("a retired image", "image", "/v2/images?name=Fedora%2043%20Beta", keep={"retired": "/images/0/id"}),
    refused("no such flavour", flavorRef="99"),
    refused("no flavour", flavorRef=None),
    refused("no such image", **SMALL, imageRef=NOWHERE),
    refused("an image by name", **SMALL, imageRef="Debian 13"),
    refused("no image", **SMALL, imageRef=None),
    refused("an empty image", **SMALL, imageRef=""),
    refused("a retired image", **SMALL, imageRef="{retired}"),
    refused("too small a disk"),
    refused("a flavour without a disk", flavorRef="d1"),
    refused("no such network", **SMALL, networks=[{"uuid": NOWHERE}]),
    refused("a network by name", **SMALL, networks=[{"uuid": "private"}]),
    refused("a network that is none", **SMALL, networks=[{"net": "x"}]),
    refused("no networks", **SMALL, networks=None),
    refused("no such port", **SMALL, networks=[{"port": NOWHERE}]),
    refused("an address that is none", **SMALL, networks=[{"uuid": "{inside}", "fixed_ip": "seven"}]),
    refused("an unknown property", **SMALL, colour="red"),
    post("an unknown property outside", "compute", SERVERS, {**server(**SMALL), "colour": "red"}),
    post("no server", "compute", SERVERS, {}),
    ask("no JSON", "POST", "compute", SERVERS, "{", headers={"content-type": "application/json"}),
    ask("no content type", "POST", "compute", SERVERS, "{}", headers={"content-type": "text/plain"}),
    refused("an empty name", **SMALL, name=""),
    refused("no name", **SMALL, name=None),
    refused("a name of blanks", **SMALL, name="  "),
    refused("a name with a blank in front", **SMALL, name=" web"),
    refused("a name that is too long", **SMALL, name="x" * 256),
    refused("a name that is a number", **SMALL, name=7),
    refused("a name with a control character", **SMALL, name="a\u0000b"),
    refused("user-data that is not encoded", **SMALL, user_data="abcde"),
    refused("user-data that is too big", **SMALL, user_data=base64.b64encode(b"x" * 49152).decode()),
    refused("metadata that is no object", **SMALL, metadata=["a"]),
    refused("metadata that is too long", **SMALL, metadata={"a": "x" * 256}),
    refused("metadata that is a number", **SMALL, metadata={"a": 1}),
    refused("a bad metadata key", **SMALL, metadata={"a/b": "1"}),
    refused("too much metadata", **SMALL, metadata={f"key-{number}": "x" for number in range(129)}),
    refused("a tag with a comma", **SMALL, tags=["a,b"]),
    refused("a tag that is too long", **SMALL, tags=["x" * 61]),
    refused("too many tags", **SMALL, tags=[f"tag-{number}" for number in range(51)]),
    refused("no such key pair", **SMALL, key_name="nokey"),
    refused("no such security group", **SMALL, security_groups=[{"name": "nogroup"}]),
    refused("a security group twice", **SMALL, security_groups=[{"name": "default"}, {"name": "default"}]),
    refused("no such zone", **SMALL, availability_zone="mars"),
    refused("no such group", **SMALL),
    refused("too many instances", **SMALL, min_count=21),
    refused("too many cores", flavorRef="5", min_count=6),
    refused("too much memory", flavorRef="5", min_count=7, max_count=7),
    refused("a count of nothing", **SMALL, min_count=0),
    refused("counts the wrong way round", **SMALL, min_count=3, max_count=2),
    refused("a config drive that is no truth value", **SMALL, config_drive="perhaps"),
    refused("a drive that is no truth value", **SMALL, **{"OS-DCF:diskConfig": "none"}),
    get("nothing was made", "compute", SERVERS + "/detail"),
    # Accepted, and found out later.
    post("a server on the external network", "compute", SERVERS, server(**SMALL, networks=[{"uuid": "{outside}"}]), keep={"lost": "/server/id"}),
    get("the server on the external network", "compute", SERVERS + "/{lost}", until={"pointer": "/server/status", "value": "ERROR"}),
    post("a console of it", "compute", SERVERS + "/{lost}/action", {"os-getConsoleOutput": {}}),
    post("a reboot of it", "compute", SERVERS + "/{lost}/action", {"reboot": {"type": "SOFT"}}),
    get("it in the list", "compute", SERVERS + "/detail?name=web"),
    delete("the server deleted", "compute", SERVERS + "/{lost}"),
    get("the server is gone", "compute", SERVERS + "/{lost}", until={"status": 404}),
]
# The one among them that is none: the group is a hint beside the server.
REFUSALS[[exchange["name"] for exchange in REFUSALS].index("no such group")]["request"]["body"] = {
    **server(**SMALL), "os:scheduler_hints": {"group": NOWHERE},
}  # fmt: skip

ACTIVE = {"pointer": "/server/status", "value": "ACTIVE"}
ONE = SERVERS + "/{web}"

LIFE = [
    IMAGE,
    INSIDE,
    post("a server", "compute", SERVERS, server(**SMALL, tags=["red", "blue"], metadata={"role": "web"}, user_data="I2Nsb3VkLWNvbmZpZwo=",
         description="one", security_groups=[{"name": "default"}]), keep={"web": "/server/id"}),
    get("the server", "compute", ONE, until=ACTIVE),
    get("the server in 2.1", "compute", ONE, version="2.1"),
    get("the server in 2.26", "compute", ONE, version="2.26"),
    get("the server in 2.47", "compute", ONE, version="2.47"),
    get("the server in 2.90", "compute", ONE, version="2.90"),
    post("a second", "compute", SERVERS, server("db", **SMALL, networks="none", tags=["red"]), keep={"db": "/server/id"}),
    get("the second", "compute", SERVERS + "/{db}", until=ACTIVE),
    get("both", "compute", SERVERS),
    get("both in detail", "compute", SERVERS + "/detail"),
    get("the first page", "compute", SERVERS + "/detail?limit=1"),
    get("the page behind", "compute", SERVERS + "/detail?limit=1&marker={db}"),
    get("the page behind all", "compute", SERVERS + "/detail?limit=1&marker={web}"),
    get("a page behind nothing", "compute", SERVERS + "/detail?marker=" + NOWHERE),
    get("a page of nothing", "compute", SERVERS + "/detail?limit=0"),
    get("a page of less", "compute", SERVERS + "/detail?limit=-1"),
    get("a page of words", "compute", SERVERS + "/detail?limit=ten"),
    get("by name", "compute", SERVERS + "?name=web"),
    get("by a name that is there not", "compute", SERVERS + "?name=mail"),
    get("by name as a pattern", "compute", SERVERS + "?name=^w"),
    get("by name as a broken pattern", "compute", SERVERS + "?name=("),
    get("by status", "compute", SERVERS + "?status=ACTIVE"),
    get("by another status", "compute", SERVERS + "?status=ERROR"),
    get("by a status that there is not", "compute", SERVERS + "?status=BROKEN"),
    get("by tags", "compute", SERVERS + "?tags=red,blue"),
    get("by any of the tags", "compute", SERVERS + "?tags-any=blue,green"),
    get("by a tag before there were any", "compute", SERVERS + "?tags=blue", version="2.1"),
    get("by an unknown filter", "compute", SERVERS + "?colour=red"),
    get("by an unknown filter in 2.75", "compute", SERVERS + "?colour=red", version="2.75"),
    get("sorted", "compute", SERVERS + "?sort_key=display_name&sort_dir=asc"),
    get("sorted by nothing that there is", "compute", SERVERS + "?sort_key=colour"),
    get("of all projects", "compute", SERVERS + "?all_tenants=1"),
    get("addresses", "compute", ONE + "/ips"),
    get("metadata", "compute", ONE + "/metadata"),
    post("metadata added", "compute", ONE + "/metadata", {"metadata": {"more": "1"}}),
    put("metadata replaced", "compute", ONE + "/metadata", {"metadata": {"role": "web", "new": "2"}}),
    put("one item", "compute", ONE + "/metadata/new", {"meta": {"new": "3"}}),
    put("one item by another name", "compute", ONE + "/metadata/new", {"meta": {"old": "3"}}),
    put("two items at once", "compute", ONE + "/metadata/new", {"meta": {"new": "3", "old": "4"}}),
    post("metadata that is too long", "compute", ONE + "/metadata", {"metadata": {"a": "x" * 256}}),
    post("metadata that is a number", "compute", ONE + "/metadata", {"metadata": {"a": 1}}),
    post("no metadata", "compute", ONE + "/metadata", {"more": "1"}),
    get("one item shown", "compute", ONE + "/metadata/new"),
    get("an item that is not there", "compute", ONE + "/metadata/nothing"),
    delete("one item removed", "compute", ONE + "/metadata/new"),
    delete("one item removed again", "compute", ONE + "/metadata/new"),
    post("metadata of no server", "compute", SERVERS + "/" + NOWHERE + "/metadata", {"metadata": {"a": "1"}}),
    get("tags", "compute", ONE + "/tags"),
    ask("a tag added", "PUT", "compute", ONE + "/tags/green"),
    ask("a tag added again", "PUT", "compute", ONE + "/tags/green"),
    get("a tag is there", "compute", ONE + "/tags/green"),
    get("a tag is not there", "compute", ONE + "/tags/grey"),
    put("tags replaced", "compute", ONE + "/tags", {"tags": ["a", "b"]}),
    put("tags that are none", "compute", ONE + "/tags", {"tags": ["a,b"]}),
    delete("a tag removed", "compute", ONE + "/tags/a"),
    delete("a tag removed again", "compute", ONE + "/tags/a"),
    delete("all tags removed", "compute", ONE + "/tags"),
    get("tags before there were any", "compute", ONE + "/tags", version="2.25"),
    post("console", "compute", ONE + "/action", {"os-getConsoleOutput": {}}),
    post("console of words", "compute", ONE + "/action", {"os-getConsoleOutput": {"length": "all"}}),
    post("console of no server", "compute", SERVERS + "/" + NOWHERE + "/action", {"os-getConsoleOutput": {}}),
    post("reboot", "compute", ONE + "/action", {"reboot": {"type": "SOFT"}}),
    get("after the reboot", "compute", ONE, until={"pointer": "/server/OS-EXT-STS:task_state", "value": None}),
    post("hard reboot", "compute", ONE + "/action", {"reboot": {"type": "HARD"}}),
    get("after the hard reboot", "compute", ONE, until={"pointer": "/server/OS-EXT-STS:task_state", "value": None}),
    post("a reboot of another kind", "compute", ONE + "/action", {"reboot": {"type": "GENTLE"}}),
    post("a reboot of no kind", "compute", ONE + "/action", {"reboot": {}}),
    post("a reboot of no server", "compute", SERVERS + "/" + NOWHERE + "/action", {"reboot": {"type": "SOFT"}}),
    post("an unknown action", "compute", ONE + "/action", {"dance": {}}),
    post("no action", "compute", ONE + "/action", {}),
    post("two actions", "compute", ONE + "/action", {"reboot": {"type": "SOFT"}, "os-getConsoleOutput": {}}),
    get("no server", "compute", SERVERS + "/" + NOWHERE),
    get("no server's name", "compute", SERVERS + "/nothing"),
    delete("no server deleted", "compute", SERVERS + "/" + NOWHERE),
    delete("the server deleted", "compute", ONE),
    get("the server is gone", "compute", ONE, until={"status": 404}),
    delete("the server deleted again", "compute", ONE),
    delete("the second deleted", "compute", SERVERS + "/{db}"),
    get("the second is gone", "compute", SERVERS + "/{db}", until={"status": 404}),
]  # fmt: skip

CATALOGUE = [
    get("flavours", "compute", "/v2.1/flavors"),
    get("flavours in detail", "compute", "/v2.1/flavors/detail"),
    get("flavours in detail in 2.1", "compute", "/v2.1/flavors/detail", version="2.1"),
    get("a page of flavours", "compute", "/v2.1/flavors/detail?limit=2"),
    get("the page behind", "compute", "/v2.1/flavors/detail?limit=2&marker=2"),
    get("flavours behind nothing", "compute", "/v2.1/flavors?marker=nothing"),
    get("flavours with enough memory", "compute", "/v2.1/flavors?minRam=4096"),
    get("flavours with words of memory", "compute", "/v2.1/flavors?minRam=much"),
    get("a flavour", "compute", "/v2.1/flavors/2"),
    get("no flavour", "compute", "/v2.1/flavors/99"),
    get("images", "image", "/v2/images"),
    get("a page of images", "image", "/v2/images?limit=2&sort_key=name&sort_dir=asc"),
    get("images by name", "image", "/v2/images?name=Ubuntu%2024.04%20LTS", keep={"ubuntu": "/images/0/id"}),
    get("images by no name", "image", "/v2/images?name=nothing"),
    get("images by status", "image", "/v2/images?status=active&limit=1"),
    get("images by property", "image", "/v2/images?os_distro=arch"),
    get("images by names", "image", '/v2/images?name=in:"Arch%20Linux","Debian%2012"'),
    get("images by tag", "image", "/v2/images?tag=nothing"),
    get("images by visibility", "image", "/v2/images?visibility=private"),
    get("images by another visibility", "image", "/v2/images?visibility=none"),
    get("a page of words of images", "image", "/v2/images?limit=ten"),
    get("a page of less images", "image", "/v2/images?limit=-1"),
    get("images behind nothing", "image", "/v2/images?marker=" + NOWHERE),
    get("images sorted by nothing that there is", "image", "/v2/images?sort_key=colour"),
    get("images sorted another way", "image", "/v2/images?sort_dir=sideways"),
    get("images sorted in both ways of saying it", "image", "/v2/images?sort=name&sort_key=name"),
    get("an image", "image", "/v2/images/{ubuntu}"),
    get("no image", "image", "/v2/images/" + NOWHERE),
    get("no image, for a browser", "image", "/v2/images/" + NOWHERE, headers={"accept": "text/html"}),
    get("no image, for anybody", "image", "/v2/images/" + NOWHERE, headers={"accept": "*/*"}),
    get("limits", "compute", "/v2.1/limits"),
    get("limits in 2.1", "compute", "/v2.1/limits", version="2.1"),
    get("limits in 2.57", "compute", "/v2.1/limits", version="2.57"),
]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E ada"
KEYS = "/v2.1/os-keypairs"


def key(name, /, **pair):
    return post(name, "compute", KEYS, {"keypair": pair})


KEY_PAIRS = [
    get("no key pairs", "compute", KEYS),
    key("a key pair", name="ada", public_key=KEY),
    key("a key pair again", name="ada", public_key=KEY),
    key("a key pair of a kind", name="bob", public_key=KEY, type="ssh"),
    key("a key pair of another kind", name="eve", public_key=KEY, type="pgp"),
    key("a bad key", name="eve", public_key="ssh-ed25519 nonsense"),
    key("no key at all", name="eve", public_key=""),
    key("no name", public_key=KEY),
    key("an empty name", name="", public_key=KEY),
    key("a bad name", name="a*b", public_key=KEY),
    key("a long name", name="x" * 256, public_key=KEY),
    key("an unknown property", name="eve", public_key=KEY, colour="red"),
    get("key pairs", "compute", KEYS),
    get("key pairs in 2.1", "compute", KEYS, version="2.1"),
    get("a page of key pairs", "compute", KEYS + "?limit=1"),
    get("a page of key pairs behind nothing", "compute", KEYS + "?marker=nothing"),
    get("a key pair shown", "compute", KEYS + "/ada"),
    get("no key pair", "compute", KEYS + "/nothing"),
    delete("a key pair deleted", "compute", KEYS + "/ada"),
    delete("a key pair deleted in 2.1", "compute", KEYS + "/bob", version="2.1"),
    delete("a key pair deleted again", "compute", KEYS + "/ada"),
]

GROUPS = "/v2.0/security-groups"
RULES = "/v2.0/security-group-rules"


def rule(name, /, **changes):
    wish = {"security_group_id": "{group}", "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"}
    wish.update(changes)
    more = {"keep": wish.pop("keep")} if "keep" in wish else {}
    return post(name, "network", RULES, {"security_group_rule": {key: value for key, value in wish.items() if value is not None}}, **more)


SECURITY_GROUPS = [
    get("groups", "network", GROUPS),
    get("groups by name", "network", GROUPS + "?name=default"),
    get("groups by no name", "network", GROUPS + "?name=nothing"),
    get("some of groups", "network", GROUPS + "?fields=id&fields=name"),
    post("a group", "network", GROUPS, {"security_group": {"name": "web", "description": "ports"}}, keep={"group": "/security_group/id"}),
    post("a group called default", "network", GROUPS, {"security_group": {"name": "default"}}),
    post("a group without a name", "network", GROUPS, {"security_group": {}}),
    post("a group with an unknown property", "network", GROUPS, {"security_group": {"name": "x", "colour": "red"}}),
    post("no group", "network", GROUPS, {}),
    ask("no JSON", "POST", "network", GROUPS, "{", headers={"content-type": "application/json"}),
    get("a group shown", "network", GROUPS + "/{group}"),
    get("no group shown", "network", GROUPS + "/" + NOWHERE),
    rule("a rule", port_range_min=22, port_range_max=22, remote_ip_prefix="0.0.0.0/0", keep={"rule": "/security_group_rule/id"}),
    rule("a rule again", port_range_min=22, port_range_max=22, remote_ip_prefix="0.0.0.0/0"),
    rule("a rule for a group", remote_group_id="{group}"),
    rule("a rule by number", protocol="6", port_range_min=80, port_range_max=81),
    rule("a rule for anything", protocol=None),
    rule("an ICMP rule", protocol="icmp", port_range_min=8, port_range_max=0),
    rule("ports the wrong way round", port_range_min=9, port_range_max=8),
    rule("ports without a protocol", protocol=None, port_range_min=22, port_range_max=22),
    rule("half of the ports", port_range_min=22),
    rule("a port that there is not", port_range_min=22, port_range_max=70000),
    rule("a protocol that there is not", protocol="carrier-pigeon"),
    rule("a direction that there is not", direction="sideways"),
    rule("an ethertype that there is not", ethertype="IPv5"),
    rule("addresses of the other kind", remote_ip_prefix="2001:db8::/32"),
    rule("addresses that are none", remote_ip_prefix="everywhere"),
    rule("addresses and a group", remote_ip_prefix="0.0.0.0/0", remote_group_id="{group}"),
    rule("a rule of no group", security_group_id=NOWHERE),
    rule("a rule for no group", remote_group_id=NOWHERE),
    rule("no direction", direction=None),
    get("rules", "network", RULES + "?security_group_id={group}"),
    get("a rule shown", "network", RULES + "/{rule}"),
    get("no rule shown", "network", RULES + "/" + NOWHERE),
    delete("a rule deleted", "network", RULES + "/{rule}"),
    delete("a rule deleted again", "network", RULES + "/{rule}"),
    put("a group renamed", "network", GROUPS + "/{group}", {"security_group": {"name": "mail"}}),
    delete("a group deleted", "network", GROUPS + "/{group}"),
    delete("a group deleted again", "network", GROUPS + "/{group}"),
]

PORTS = "/v2.0/ports"
ADDRESSES = "/v2.0/floatingips"


def floating(name, /, **wish):
    more = {"keep": wish.pop("keep")} if "keep" in wish else {}
    return post(name, "network", ADDRESSES, {"floatingip": wish}, **more)


NETWORKS = [
    IMAGE,
    INSIDE,
    OUTSIDE,
    get("networks", "network", "/v2.0/networks"),
    get("networks by no name", "network", "/v2.0/networks?name=nothing"),
    get("external networks", "network", "/v2.0/networks?router:external=true"),
    get("a network", "network", "/v2.0/networks/{inside}"),
    get("no network", "network", "/v2.0/networks/" + NOWHERE),
    get("subnets", "network", "/v2.0/subnets?network_id={inside}"),
    get("a page of networks", "network", "/v2.0/networks?limit=2"),
    get("a page of words of networks", "network", "/v2.0/networks?limit=ten"),
    get("networks behind nothing", "network", "/v2.0/networks?marker=" + NOWHERE + "&limit=1"),
    get("no floating addresses", "network", ADDRESSES),
    post("a server", "compute", SERVERS, server(**SMALL), keep={"web": "/server/id"}),
    get("the server", "compute", ONE, until=ACTIVE),
    get("its ports", "network", PORTS + "?device_id={web}", keep={"port": "/ports/0/id"}),
    get("ports of no server", "network", PORTS + "?device_id=" + NOWHERE),
    get("a port", "network", PORTS + "/{port}"),
    get("no port", "network", PORTS + "/" + NOWHERE),
    floating("a floating address", floating_network_id="{outside}", description="of web", keep={"address": "/floatingip/id"}),
    floating("one for a port", floating_network_id="{outside}", port_id="{port}", keep={"second": "/floatingip/id"}),
    floating("one more for the port", floating_network_id="{outside}", port_id="{port}"),
    floating("one for no port", floating_network_id="{outside}", port_id=NOWHERE),
    floating("one of no network", floating_network_id=NOWHERE),
    floating("one of an inner network", floating_network_id="{inside}"),
    floating("one of nothing"),
    floating("one with an unknown property", floating_network_id="{outside}", colour="red"),
    get("floating addresses", "network", ADDRESSES),
    get("floating addresses of a port", "network", ADDRESSES + "?port_id={port}"),
    get("a floating address shown", "network", ADDRESSES + "/{second}"),
    get("no floating address shown", "network", ADDRESSES + "/" + NOWHERE),
    get("the server with its address", "compute", ONE, until={"pointer": "/server/addresses/private/2/OS-EXT-IPS:type", "value": "floating"}),
    put("an address taken off", "network", ADDRESSES + "/{second}", {"floatingip": {"port_id": None}}),
    put("an address put on", "network", ADDRESSES + "/{address}", {"floatingip": {"port_id": "{port}"}}),
    put("an address put on no port", "network", ADDRESSES + "/{address}", {"floatingip": {"port_id": NOWHERE}}),
    put("no address put on", "network", ADDRESSES + "/" + NOWHERE, {"floatingip": {"port_id": "{port}"}}),
    delete("an address given back", "network", ADDRESSES + "/{second}"),
    delete("an address given back again", "network", ADDRESSES + "/{second}"),
    delete("the other address given back", "network", ADDRESSES + "/{address}"),
    delete("the server deleted", "compute", ONE),
    get("the server is gone", "compute", ONE, until={"status": 404}),
    get("its ports are gone", "network", PORTS + "?device_id={web}"),
]

SCENARIOS = {
    "identity": IDENTITY,
    "versions": VERSIONS,
    "refusals": REFUSALS,
    "life": LIFE,
    "catalogue": CATALOGUE,
    "key-pairs": KEY_PAIRS,
    "security-groups": SECURITY_GROUPS,
    "networks": NETWORKS,
}
