"""The tests of install.sh, .ci/run, the locks and the unit."""
