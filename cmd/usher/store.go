package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"usher/app/assembly"
	"usher/app/checkup"
	"usher/app/config"
)

const (
	loadTimeout     = 60 * time.Second // without a snapshot on disk
	snapshotTimeout = 3 * time.Second  // with a snapshot on disk
	noteAfter       = 2 * time.Second  // until a command notes that it waits
	checkInterval   = time.Second      // between checks for permanent errors
)

var (
	errNotLoaded   = errors.New("cannot load the directory")
	errInterrupted = errors.New("interrupted")
)

// runStore runs a store for a short command, and returns once its directory is loaded. It
// notes on stderr what it waits for. note says why the directory is the one of a
// snapshot on disk, or is "".
func runStore(ctx context.Context, s assembly.Store, stderr io.Writer) (note string, stop func() error, err error) {
	bucket, ok := s.(*assembly.Bucket)
	if !ok {
		return "", s.Close, nil
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(running) // always nil
	}()
	stop = func() error {
		cancel()
		<-done
		return s.Close()
	}
	if note, err = waitForBucket(ctx, bucket, stderr); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return note, stop, nil
}

// waitForBucket waits until the directory is up to date. If that takes too long, it accepts
// a snapshot from disk.
func waitForBucket(ctx context.Context, s *assembly.Bucket, stderr io.Writer) (note string, err error) {
	start, timeout := time.Now(), loadTimeout
	if s.Snapshot() != nil {
		timeout = snapshotTimeout
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	noted, cause, nextCheck := false, "", checkInterval/4
	for {
		status := s.Status()
		waited := time.Since(start)
		switch {
		case status.Loaded && status.Checked.After(start):
			return "", nil
		case ctx.Err() != nil:
			return "", &fault.Error{Kind: fault.Interrupted, Err: errInterrupted}
		case waited > timeout && status.Loaded:
			return "cannot reach the bucket" + s.LastError(), nil
		case waited > timeout:
			return "", &fault.Error{
				Kind: fault.Runtime, Err: fmt.Errorf("%w within %s%s", errNotLoaded, timeout, s.LastError()),
				Hint: "find the cause with usher check",
			}
		case waited > noteAfter && (!noted || cause == "" && s.LastError() != ""): // the cause may become known later
			noted, cause = true, s.LastError()
			cmdutil.Note(stderr, "waiting for the directory, bucket "+s.Cfg.Directory.Bucket+cause)
		case waited > nextCheck && !status.Loaded:
			if err := permanentError(ctx, s); err != nil {
				return "", err
			}
			nextCheck = time.Since(start) + checkInterval
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// permanentError returns an error that waiting does not fix: JetStream is not enabled, or
// access to the bucket is denied.
func permanentError(ctx context.Context, s *assembly.Bucket) error {
	if !s.Conn.IsConnected() || s.Cfg.Directory.From == config.DirectoryEmbedded {
		return nil
	}
	for _, x := range checkup.CheckBucket(ctx, s.Cfg, s.Conn) {
		if x.Kind == fault.Config {
			return &fault.Error{Kind: fault.Config, Err: fmt.Errorf("%w: %s: %s", errNotLoaded, x.Where, x.Detail), Hint: x.Hint}
		}
	}
	return nil
}
