package dev

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// endOnHangUp calls stop when the terminal closes (SIGHUP), or when the reader of stdout
// or stderr is gone. By default both end the process, and its temporary folder with the
// demo's keys would stay. It returns the writers to use instead of stdout and stderr.
func endOnHangUp(ctx context.Context, stop func(), stdout, stderr io.Writer) (out, errs io.Writer) {
	// With a handler for SIGPIPE a write to a closed pipe is an error. The handler stays:
	// shutdown writes, too. The signal itself is ignored, because a write to a closed
	// network connection raises it as well.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		hangUp, release := signal.NotifyContext(ctx, syscall.SIGHUP)
		context.AfterFunc(hangUp, func() {
			release()
			stop()
		})
	}
	return pipeWriter{stdout, stop}, pipeWriter{stderr, stop}
}

// pipeWriter calls broken if the reader of a pipe is gone.
type pipeWriter struct {
	w      io.Writer
	broken func()
}

func (p pipeWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken()
	}
	return n, err
}
