package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

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

// trouble is a log that knows what was wrong last.
type trouble struct {
	slog.Handler
	last atomic.Pointer[string]
}

func (t *trouble) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError || t.Handler.Enabled(ctx, l)
}

func (t *trouble) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			text := a.Value.String()
			t.last.Store(&text)
		}
		return true
	})
	if !t.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return t.Handler.Handle(ctx, r)
}

// inTheWay returns ": " and what was wrong last; empty: nothing was.
func (s *kvStore) inTheWay() string {
	text := s.trouble.last.Load()
	if dialing := s.dialing.last.Load(); dialing != nil && !s.conn.IsConnected() {
		text = dialing
	}
	if text == nil {
		return ""
	}
	return ": " + *text
}

// following runs a store for a command that ends soon, once its directory is
// there. It tells on stderr what it waits for. note is what the command's user
// should know of the directory.
func following(ctx context.Context, s directoryStore, stderr io.Writer) (note string, end func() error, err error) {
	bucket, ok := s.(*kvStore)
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
	if note, err = bucket.wait(ctx, stderr); err != nil {
		return "", nil, errors.Join(err, end())
	}
	return note, end, nil
}

// wait waits for the directory as it is now, or for nobody to know that.
func (s *kvStore) wait(ctx context.Context, stderr io.Writer) (note string, err error) {
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
			return "", &exitError{code: exitInterrupted, err: errInterrupted}
		case waited > limit && status.Loaded:
			return "the bucket cannot be reached" + s.inTheWay() + "; this is the directory of " + status.Checked.Format(time.RFC3339), nil
		case waited > limit:
			return "", &exitError{
				code: exitRuntime, err: fmt.Errorf("%w within %s%s", errNotLoaded, limit, s.inTheWay()),
				hint: "usher check says what is in the way",
			}
		case waited > toldAfter && (!told || why == "" && s.inTheWay() != ""): // what is in the way may not be known at first
			told, why = true, s.inTheWay()
			say(stderr, "note", "waiting for the directory, bucket "+s.cfg.Directory.Bucket+why)
		case waited > look && !status.Loaded:
			if err := s.hopeless(ctx); err != nil {
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
func (s *kvStore) hopeless(ctx context.Context) error {
	if !s.conn.IsConnected() || s.cfg.Directory.From == config.DirectoryEmbedded {
		return nil
	}
	var f findings
	b := bucketCheck{findings: &f, path: "usher.yaml", cfg: s.cfg, where: "bucket " + s.cfg.Directory.Bucket}
	if b.jetStream(ctx, s.conn) {
		b.bucket(ctx, s.conn)
	}
	for _, x := range f {
		if x.exit == exitConfig {
			return &exitError{code: exitConfig, err: fmt.Errorf("%w: %s: %s", errNotLoaded, x.Where, x.Detail), hint: x.Hint}
		}
	}
	return nil
}
