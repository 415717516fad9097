// Package systemd tells systemd how a process of usher is doing: when it is ready, why it is
// not, that it lives, that it reloads, and that it stops (sd_notify(3)).
//
// It promises one thing above all: a process that hangs does not say that it lives. What it
// says comes from the process's own readiness check, which takes the locks that requests take.
// Outside of systemd it does nothing.
package systemd
