#!/usr/bin/env bash
# Installs what was built into a fresh environment outside the checkout, and uses it.
#   smoke.sh wheel|sdist [DIST]    DIST: where the two files are; dist
set -euo pipefail

case ${1-} in
  wheel) pattern='*.whl' ;;
  sdist) pattern='*.tar.gz' ;;
  *) sed -n 2,3p "$0" >&2; exit 2 ;;
esac
dist=$(cd "${2:-$(dirname "$0")/../dist}" && pwd)
files=("$dist"/$pattern)
if [ ${#files[@]} -ne 1 ] || [ ! -f "${files[0]}" ]; then
  echo "wanted one $pattern in $dist, got: ${files[*]}" >&2
  exit 1
fi

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home"
"${PYTHON:-python}" -m venv .
bin/pip install --quiet --disable-pip-version-check "${files[0]}[offline]"

bin/rxvoice --version
bin/rxvoice devices || true  # a runner may have none
bin/rxvoice demo | tee demo.txt
# Each of what the recorded user says has to be answered.
[ "$(grep -c ' assistant ' demo.txt)" -eq 6 ]
[ -s out/conversation.wav ]
