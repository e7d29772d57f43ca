#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml: exact versions and hashes,
# for every Python and platform at once, and no address of any registry.
#
#   make lock                    keep the versions that still satisfy pyproject.toml
#   make lock LOCK=--upgrade     take the newest ones
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-uv}
command -v "$uv" >/dev/null || {
    echo "Locking needs uv, and \"$uv\" is not a command here. Name it: make lock UV=/path/to/uv" >&2
    exit 1
}

compile() { # OUTPUT OPTION...
    local output=requirements/$1
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-header --no-annotate --output-file "$output" "$@"
    echo "$output: $(grep -c '==' "$output") packages"
}

# The largest set is resolved first and bounds the others, so that a package has
# one version whichever files are installed together.
compile dev.txt --group dev "$@"
for name in core build test bench fuzz mutants; do
    case $name in
        core) group=() ;;
        *) group=(--group "$name") ;;
    esac
    compile "$name.txt" "${group[@]}" --constraints requirements/dev.txt "$@"
done

# What asks the server from outside shares no environment with it.
"$uv" pip compile --quiet --universal --python-version 3.11 --group pyproject.toml:contract \
    --generate-hashes --no-header --no-annotate --output-file requirements/contract.txt "$@"
echo "requirements/contract.txt: $(grep -c '==' requirements/contract.txt) packages"
