#!/usr/bin/env bash
# System packages that the tests want on a headless Debian or Ubuntu, as root: PortAudio with a virtual
# microphone and loudspeaker, a screen, what Qt needs, human speech to transcribe, a browser and nginx.
set -euo pipefail

"$(dirname "$0")/virtual_audio.sh" install
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends xvfb libegl1 libgl1 \
  libxkbcommon0 libdbus-1-3 libfontconfig1 asterisk-core-sounds-en-g722 asterisk-core-sounds-en \
  alsa-utils libopenblas0-pthread nginx-light

# GitHub's machines have Chrome; Ubuntu's own Chromium is a snap, which sees no temporary files.
if ! command -v google-chrome >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
fi
