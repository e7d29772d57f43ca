#!/usr/bin/env bash
# Install one wheel and its locked dependencies, nothing else, into an empty
# environment away from the source, and use it as a stranger would.
#
#   tools/check_wheel.sh PYTHON WHEEL
set -euo pipefail

python=$(realpath --no-symlinks "$1")
wheel=$(realpath "$2")
requirements=$(realpath "$(dirname "$0")/../requirements/core.txt")

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
export HOME=$place/home
mkdir "$HOME"
unset PYTHONPATH VIRTUAL_ENV "${!REALMCONF_@}"

fail() {
    echo "The wheel alone: $*" >&2
    exit 1
}

contents=$("$python" -m zipfile --list "$wheel")
grep -q '^realmconf/py\.typed ' <<<"$contents" || fail "it carries no py.typed"
grep -q 'licenses/LICENSE ' <<<"$contents" || fail "it carries no licence"
strays=$(awk 'NR > 1 { print $1 }' <<<"$contents" | grep -vE '^realmconf(-[^/]*\.dist-info)?/' || true)
[ -z "$strays" ] || fail "it carries files outside the package: $strays"

"$python" -m venv empty
pip=(empty/bin/python -m pip --disable-pip-version-check --quiet install)
"${pip[@]}" --require-hashes --requirement "$requirements"
# Without an index: what the wheel asks for and the locked set lacks is an error here.
"${pip[@]}" --no-index "$wheel"

where=$(empty/bin/python -I -c 'import realmconf; print(realmconf.__file__)')
case $where in
    "$place"/empty/*) ;;
    *) fail "it was imported from $where" ;;
esac

realmconf=(empty/bin/realmconf --store "$place/realms" --realm trial)
empty/bin/realmconf --help >help.txt || fail "realmconf --help ended with $?"
grep -q realmconf help.txt || fail "realmconf --help names no realmconf"
"${realmconf[@]}" set agent.model sonnet >/dev/null || fail "the write ended with $?"
value=$("${realmconf[@]}" get agent.model) || fail "the read ended with $?"
[ "$value" = sonnet ] || fail "it wrote sonnet and read $value"

echo "$(basename "$wheel") alone: imported, helped, wrote and read"
