#!/bin/sh
# Checks for what pip cannot install: a compiler and Python's headers (two dependencies compile),
# and an OpenGL driver for rendering without a screen. Installs it where it may, otherwise says how.
set -eu
PYTHON=${PYTHON:-python3}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "error: $PYTHON is older than Python 3.10; try: make PYTHON=python3.11" >&2
    exit 1
}

missing=""
need() { missing="$missing $*"; }

"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
"$PYTHON" -c 'import os, sysconfig as s, sys; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' \
    || need python3-dev
command -v cc >/dev/null && command -v c++ >/dev/null || need build-essential
command -v cmake >/dev/null || need cmake

has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || /sbin/ldconfig -p | grep -q "$1"; }
has_library libEGL.so.1 && ls /usr/share/glvnd/egl_vendor.d/*.json >/dev/null 2>&1 \
    || need libegl1 libegl-mesa0 libgl1-mesa-dri
has_library libOpenGL.so.0 || need libopengl0
has_library libX11.so.6 || need libx11-6
has_library libGL.so.1 || need libgl1
has_library libglib-2.0.so.0 || need libglib2.0-0

[ -z "$missing" ] && exit 0

command="apt-get update && apt-get install -y$missing"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing:$missing"
    sh -c "$command"
elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
    echo "installing:$missing"
    sudo sh -c "$command"
else
    echo "error: this machine lacks:$missing" >&2
    echo "On Debian or Ubuntu install them with: sudo sh -c '$command'" >&2
    exit 1
fi
