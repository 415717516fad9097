package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"usher/app/setup"
	"usher/internal/fault"
)

const (
	buildWithin = 10 * time.Minute // with the download of modules
	stopWithin  = 5 * time.Second  // from the end of a child's stdin
)

// stream runs the old supervisor, and the durable subscription of the applications service.
func (r *Run) stream(ctx context.Context, group *errgroup.Group, reader *nats.Conn, s *servers) error {
	if r.streaming() == Bridge {
		group.Go(func() error { return r.superviseOld(ctx, address(s.external)) })
		return r.readDurable(ctx, reader)
	}
	return r.runSTAN(ctx, group, s)
}

// stanSource returns the folder of the module that runs NATS Streaming, if the working
// directory is in a source checkout of usher and there is a Go command.
func stanSource(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		err = errors.New("there is no Go command, or no Go module here")
	} else if root, ok := bytes.CutPrefix(bytes.TrimSpace(out), []byte("usher ")); !ok {
		err = errors.New("the working directory is not in the source of usher")
	} else if dir := filepath.Join(string(root), "testdata", "stan"); exists(filepath.Join(dir, "go.mod")) {
		return dir, nil
	} else {
		err = fmt.Errorf("%s is missing", dir)
	}
	return "", &fault.Error{
		Kind: fault.Usage, Err: fmt.Errorf("--streaming stan builds NATS Streaming from the source of usher: %w", err),
		Hint: "start it in a source checkout with Go in the PATH, or use --streaming bridge",
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// runSTAN builds NATS Streaming, and runs it and the durable subscription as processes.
func (r *Run) runSTAN(ctx context.Context, group *errgroup.Group, s *servers) error {
	dir, err := os.MkdirTemp("", "usher-stan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover temporary directory does no harm
	program := filepath.Join(dir, "stan")
	r.Note(r.log, "NATS Streaming is being built, which can take some minutes; until then the old supervisor waits")
	if err := r.build(ctx, program); err != nil {
		return err
	}
	connection := func(service string) []string {
		return []string{
			"--nats-url", "nats://" + address(s.internal), "--tls-ca", r.path(setup.FileCA), "--tls-name", setup.GatewayInternal,
			"--tls-cert", r.path(setup.CertFile(service)), "--tls-key", r.path(setup.KeyFile(service)), "--cluster", setup.StreamingCluster,
		}
	}
	ready := make(chan struct{})
	children, ctx := errgroup.WithContext(ctx)
	children.Go(func() error {
		// Heartbeats do not reach clients in another account: they are as good as off.
		return child(ctx, func(line []byte) {
			if string(line) == "ready" {
				close(ready)
			}
		}, program, append([]string{"server", "--heartbeat", "8760h"}, connection(setup.GatewayInternal)...)...)
	})
	children.Go(func() error {
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.Note(r.log, "NATS Streaming runs")
		group.Go(func() error { return r.superviseOld(ctx, address(s.external)) })
		return child(ctx, func(line []byte) {
			var m struct {
				Data []byte `json:"base64"`
			}
			if json.Unmarshal(line, &m) == nil && m.Data != nil {
				r.got(setup.Durable, OverDurable, m.Data)
			}
		}, program, append([]string{
			"client", "--op", "read", "--channel", setup.Durable, "--durable", setup.Durable, "--client-id", setup.ServiceApplications,
		}, connection(setup.ServiceApplications)...)...)
	})
	return children.Wait()
}

// build builds the module that runs NATS Streaming.
func (r *Run) build(ctx context.Context, program string) error {
	source, err := stanSource(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, ".") //nolint:gosec // a path that we made
	cmd.Dir = source
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = stopWithin
	if err := cmd.Run(); err != nil {
		if interrupted(ctx) {
			return context.Cause(ctx)
		}
		return &fault.Error{
			Kind: fault.Runtime, Err: fmt.Errorf("build NATS Streaming in %s: %w\n%s", source, err, bytes.TrimSpace(said.Bytes())),
			Hint: "give another --dir with --streaming bridge",
		}
	}
	return nil
}

// child runs a program until ctx ends, and calls line with each line of its output. The
// program ends when its stdin does, also if this process is killed.
func child(ctx context.Context, line func([]byte), program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // what we have built
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = in.Close
	cmd.WaitDelay = stopWithin
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line(lines.Bytes())
	}
	_, _ = io.Copy(io.Discard, out) // what follows a line that is too long
	err = cmd.Wait()
	if interrupted(ctx) {
		return nil
	}
	return fmt.Errorf("NATS Streaming ended (%w): %s", err, bytes.TrimSpace(said.Bytes()))
}

// interrupted reports whether ctx ends. A terminal interrupts a child and this process at
// the same time, and the child can be the first to end.
func interrupted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(time.Second):
		return false
	}
}
