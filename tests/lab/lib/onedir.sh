# shellcheck shell=bash
# Salt from PyPI as the Salt Project ships it: one folder with an interpreter of its own, which works wherever it is put.

# Later releases ask for a newer certifi than every index has.
SALT_VERSION=3008.3
SALT_PROGRAMS=(salt salt-call salt-cp salt-key salt-master salt-minion salt-run)
ONEDIR=$LAB/build/onedir

onedir_build() {
    local key venv=$LAB/build/venv packages library
    key=$(hash_of "$LAB_SOURCE/lib/onedir.sh")
    [[ $(cat "$ONEDIR/.key" 2>/dev/null) != "$key" ]] || return 0
    rm -rf --one-file-system "$ONEDIR" "$venv"
    /usr/bin/python3 -m venv "$venv"
    logged pip "$venv/bin/pip" install --no-compile "salt==$SALT_VERSION"
    library=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    mkdir -p "$ONEDIR/bin" "$ONEDIR/lib"
    cp -L /usr/bin/python3 "$ONEDIR/bin/python3"
    cp -a "$library" "$ONEDIR/lib/"
    library=$ONEDIR/lib/$(basename "$library")
    # Outside of /usr, Debian's interpreter looks for packages here and nowhere else.
    cp -a "$packages" "$library/dist-packages"
    # What no machine of the tests uses, and what it weighs: salt-cloud's library is the largest of all.
    rm -rf "$library"/dist-packages/{pip,pip-*,libcloud,apache_libcloud*,virtualenv,virtualenv-*}
    rm -rf "$library"/{test,idlelib,turtledemo,tkinter,lib2to3,ensurepip,config-3*}
    local program function
    for program in "${SALT_PROGRAMS[@]}"; do
        function=${program//-/_}
        [[ $program != salt ]] || function=salt_main
        cat >"$ONEDIR/$program" <<PROGRAM
#!/bin/sh
''''exec "\$(dirname "\$(readlink -f "\$0")")/bin/python3" -E -s "\$0" "\$@" # '''
import sys
from salt.scripts import $function as main
sys.exit(main())
PROGRAM
        chmod 755 "$ONEDIR/$program"
    done
    # The machines would do it at the first call of every program.
    "$ONEDIR/bin/python3" -E -s -m compileall -q -j 0 "$library" >"$LAB/log/compileall.log" 2>&1 || true
    for program in "${SALT_PROGRAMS[@]}"; do logged onedir "$ONEDIR/$program" --version; done
    rm -rf "$venv"
    printf '%s' "$key" >"$ONEDIR/.key"
}
