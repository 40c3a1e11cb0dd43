# shellcheck shell=bash
repositories_build() { mkdir -p "$LAB/mirror"; }
