set -eu
url=$1 sha256=$2
home=/opt/saltproject
stamp=$home/salt/.bootmachine
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$url $sha256" ]; then
    exit 0
fi
mkdir -p "$home"
rm -rf "$home/new"
mkdir "$home/new"
tarball=$home/new/salt.tar.xz
curl -fsSL --retry 3 -o "$tarball" "$url"
if [ -n "$sha256" ]; then
    sum=$sha256
else
    sum=$(curl -fsSL --retry 3 "$url.sha256")
fi
echo "${sum%% *}  $tarball" | sha256sum -c - >&2
tar -xJf "$tarball" -C "$home/new"
rm -rf "$home/salt"
mv "$home/new/salt" "$home/salt"
rm -rf "$home/new"
for program in salt salt-call salt-key salt-master salt-minion salt-run; do
    ln -sf "$home/salt/$program" "/usr/bin/$program"
done
echo "$url $sha256" > "$stamp"
