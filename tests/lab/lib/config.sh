# shellcheck shell=bash
# A cluster for a running lab: one server of each distribution, the master on Debian, everything from the lab's own addresses.

# write_config FOLDER [unix|https]: bootmachine.toml and configuration/ there.
write_config() {
    local folder=$1 way=${2:-unix} mirror=http://$LAB_IPV4:$MIRROR_PORT distro
    [[ ! -e $folder/bootmachine.toml ]] || die "$folder has a bootmachine.toml" "choose another folder"
    mkdir -p "$folder"
    cp -r "$LAB_SOURCE/../../plugins/salt/configuration" "$folder/configuration"
    {
        cat <<CONFIG
[cluster]
name = "lab"
master = "debian"

[cm]
tool = "salt"
version = "$SALT_VERSION"
repository-url = "$mirror/salt/"
repository-key-url = "$mirror/key.asc"
repository-key-fingerprint = "$(cat "$GNUPGHOME/fingerprint")"
onedir-url = "$mirror/onedir/{version}/salt-{version}-onedir-linux-{architecture}.tar.xz"

[ssh]
identity = "$LAB/tls/id_ed25519"

[bootstrap]
packages = ["tree"]

[[users]]
name = "sam"
keys = [{ file = "$LAB/tls/id_ed25519.pub" }]
sudo = true

[providers.lab]
plugin = "incus"
CONFIG
        if [[ $way == unix ]]; then
            printf 'url = "unix:%s"\n' "$LXD_SOCKET"
        else
            printf 'url = "%s"\nserver-certificate = "%s"\nclient-certificate = "%s"\nclient-key = { file = "%s" }\n' \
                "$(cat "$LAB/run/url")" "$LAB/tls/server.crt" "$LAB/tls/client.crt" "$LAB/tls/client.key"
        fi
        for distro in "${DISTROS[@]}"; do
            printf '\n[[servers]]\nname = "%s"\ndistro = "%s"\nimage = "%s"\nsize = "small"\n' "$distro" "$distro" "$distro"
        done
    } >"$folder/bootmachine.toml"
}
