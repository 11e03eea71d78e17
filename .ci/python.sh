#!/bin/sh
# Prints the Python to make the environment with: the first for which every dependency has a wheel
# (docs/support.md), else the first that is new enough; nothing where there is none.
cd "$(dirname "$0")/.." || exit
wheels='import sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
sys.exit(free or not (3, 11) <= sys.version_info < (3, 15))'
new='import sys
sys.exit(sys.version_info < (3, 11))'

find_python() { # CODE, and whether MLX must have a wheel for its processor
  # On Apple silicon the first of the path may be one for Intel; Homebrew has the other there.
  for python in python3 python3.13 python3.12 python3.14 python3.11 /opt/homebrew/bin/python3; do
    "$python" -c "$1" && { [ "$2" = any ] || "$python" -I rxvoice/_system.py; } && echo "$python" && return
  done 2>/dev/null
  return 1
}

find_python "$wheels" fitting || find_python "$new" any || true
