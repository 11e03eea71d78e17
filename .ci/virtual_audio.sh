#!/usr/bin/env bash
# A virtual microphone and a virtual loudspeaker for PortAudio, on a headless Debian.
#   virtual_audio.sh install                 system packages (as root)
#   virtual_audio.sh start [--echo MS GAIN]  sound server and devices; an echo from loudspeaker to microphone
#   virtual_audio.sh echo MS GAIN | echo off change the echo: its delay, and its linear gain
#   virtual_audio.sh unplug microphone|speaker, plug microphone|speaker
#   virtual_audio.sh stop | status
#   eval "$(virtual_audio.sh env)"           the environment for python, paplay, parec and pactl
#
# Play into the microphone with `paplay --device=mic question.wav`; record the loudspeaker with
# `parec --device=speaker.monitor --file-format=wav answer.wav`. Nothing outside $VIRTUAL_AUDIO_DIR is
# written; it needs neither dbus nor systemd, and works as root and as a user.
set -euo pipefail

dir=${VIRTUAL_AUDIO_DIR:-${TMPDIR:-/tmp}/rxvoice-audio-$(id -u)}
rate=48000
export XDG_RUNTIME_DIR=$dir/run PULSE_RUNTIME_PATH=$dir/run/pulse PULSE_STATE_PATH=$dir/state
export PULSE_CONFIG_PATH=$dir/config PULSE_SERVER=unix:$dir/run/native
export PULSE_LATENCY_MSEC=${PULSE_LATENCY_MSEC:-60}
pid_file=$dir/pulse.pid

running() { [ -f "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }

# Without norewinds a null sink loses the first second that is captured, and leaves gaps.
plug() {
  case $1 in
    speaker)
      pactl load-module module-null-sink sink_name=speaker rate=$rate channels=2 norewinds=1 \
        sink_properties=device.description=virtual_speaker
      pactl set-default-sink speaker ;;
    microphone)
      pactl load-module module-null-sink sink_name=mic rate=$rate channels=1 channel_map=mono norewinds=1 \
        sink_properties=device.description=virtual_microphone_feed
      pactl load-module module-remap-source master=mic.monitor source_name=mic_in \
        source_properties=device.description=virtual_microphone
      pactl set-default-source mic_in ;;
  esac >/dev/null
}

unload() { # modules whose arguments match
  pactl list short modules | awk -v it="$1" '$0 ~ it {print $1}' | sort -rn | while read -r module; do
    pactl unload-module "$module" 2>/dev/null || true
  done
}

unplug() {
  case $1 in
    speaker) unload 'sink_name=speaker' ;;
    microphone) unload 'source_name=mic_in|sink_name=mic( |$)' ;;
  esac
}

echo_path() { # MS GAIN, or off
  unload module-loopback
  [ "$1" = off ] && return
  module=$(pactl load-module module-loopback source=speaker.monitor sink=mic latency_msec="$1" \
    adjust_time=0 source_dont_move=true sink_dont_move=true rate=$rate)
  input=$(pactl list sink-inputs |
    awk -v m="$module" '/^Sink Input #/{sub("#","",$3); id=$3} /Owner Module:/{if ($3==m) print id}')
  # PulseAudio's volume is the cube root of the linear gain.
  pactl set-sink-input-volume "$input" "$(awk -v g="$2" 'BEGIN{printf "%d", 65536*exp(log(g)/3)}')"
}

start() {
  running && return
  mkdir -p "$dir"/{run/pulse,state,config}
  chmod 700 "$dir/run" "$dir/run/pulse"
  rm -f "$dir/run/native" "$dir/run/pulse/"*
  cat >"$dir/config/daemon.conf" <<EOF
exit-idle-time = -1
realtime-scheduling = no
high-priority = no
flat-volumes = no
default-sample-format = s16le
default-sample-rate = $rate
alternate-sample-rate = $rate
default-sample-channels = 2
resample-method = speex-float-5
EOF
  echo "load-module module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0 socket=$dir/run/native" \
    >"$dir/config/virtual.pa"
  # On a busy machine it is served in time, where that may be asked for: as root.
  first=()
  if chrt --rr 5 true 2>/dev/null; then first=(chrt --rr 5); fi
  # In a session of its own: Ctrl-C in the terminal is not for it.
  setsid "${first[@]}" pulseaudio -n -F "$dir/config/virtual.pa" --daemonize=no --use-pid-file=no --exit-idle-time=-1 \
    --disallow-exit=yes --log-target=stderr --log-level=notice >"$dir/pulse.log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  for _ in $(seq 100); do
    if pactl info >/dev/null 2>&1; then
      plug speaker
      plug microphone
      if [ "${1-}" = --echo ]; then echo_path "$2" "$3"; fi
      return
    fi
    running || break
    sleep 0.05
  done
  cat "$dir/pulse.log" >&2
  stop
  return 1
}

stop() {
  running || return 0
  kill "$(cat "$pid_file")"
  for _ in $(seq 60); do
    running || break
    sleep 0.05
  done
  if running; then kill -9 "$(cat "$pid_file")"; fi
  rm -f "$pid_file" "$dir/run/native"
}

case ${1-} in
  install)
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins ;;
  start) shift; start "$@" ;;
  echo) shift; echo_path "$@" ;;
  plug | unplug | stop) "$@" ;;
  env)
    for name in XDG_RUNTIME_DIR PULSE_RUNTIME_PATH PULSE_STATE_PATH PULSE_CONFIG_PATH PULSE_SERVER PULSE_LATENCY_MSEC; do
      echo "export $name='${!name}'"
    done ;;
  status) pactl list short sinks; pactl list short sources; pactl list short modules ;;
  *) sed -n 2,13p "$0"; exit 2 ;;
esac
