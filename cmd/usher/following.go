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
	loadLimit = 60 * time.Second // for a directory that is a bucket
	nearLimit = 3 * time.Second  // if a snapshot on disk would do
	toldAfter = 2 * time.Second  // a command says what it waits for
	lookAgain = time.Second
)

var (
	errNotLoaded   = errors.New("the directory cannot be loaded")
	errInterrupted = errors.New("interrupted")
)

// following runs a store for a command that ends soon, once its directory is
// there. It tells on stderr what it waits for. note is what the command's user
// should know of the directory.
func following(ctx context.Context, s assembly.Store, stderr io.Writer) (note string, end func() error, err error) {
	bucket, ok := s.(*assembly.Bucket)
	if !ok {
		return "", s.Close, nil
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(running) // it returns nil
	}()
	end = func() error {
		stop()
		<-ended
		return s.Close()
	}
	if note, err = waitForBucket(ctx, bucket, stderr); err != nil {
		return "", nil, errors.Join(err, end())
	}
	return note, end, nil
}

// waitForBucket waits for the directory as it is now, or for nobody to know that.
func waitForBucket(ctx context.Context, s *assembly.Bucket, stderr io.Writer) (note string, err error) {
	start, limit := time.Now(), loadLimit
	if s.Snapshot() != nil {
		limit = nearLimit
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	told, why, look := false, "", lookAgain/4
	for {
		status := s.Status()
		waited := time.Since(start)
		switch {
		case status.Loaded && status.Checked.After(start):
			return "", nil
		case ctx.Err() != nil:
			return "", &fault.Error{Kind: fault.Interrupted, Err: errInterrupted}
		case waited > limit && status.Loaded:
			return "the bucket cannot be reached" + s.LastError() + "; this is the directory of " + status.Checked.Format(time.RFC3339), nil
		case waited > limit:
			return "", &fault.Error{
				Kind: fault.Runtime, Err: fmt.Errorf("%w within %s%s", errNotLoaded, limit, s.LastError()),
				Hint: "usher check says what is in the way",
			}
		case waited > toldAfter && (!told || why == "" && s.LastError() != ""): // what is in the way may not be known at first
			told, why = true, s.LastError()
			cmdutil.Say(stderr, "note", "waiting for the directory, bucket "+s.Cfg.Directory.Bucket+why)
		case waited > look && !status.Loaded:
			if err := hopeless(ctx, s); err != nil {
				return "", err
			}
			look = time.Since(start) + lookAgain
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// hopeless reports what time does not mend: JetStream that is not enabled, or a
// bucket that is refused.
func hopeless(ctx context.Context, s *assembly.Bucket) error {
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
