package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How long a process may take to become ready, and to stop.
const (
	readyTimeout = 20 * time.Second
	stopTimeout  = 12 * time.Second // usher finishes requests in progress
)

// command prepares a program. When ctx ends, the program gets SIGTERM, and SIGKILL after
// stopTimeout.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs are go, git and those that this one has built
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return cmd.Process.Kill() // Windows has no such signal
		}
		return nil
	}
	cmd.WaitDelay = stopTimeout
	return cmd
}

// output runs a program to its end and returns its stdout, even if it fails. The error
// includes an excerpt of its stderr.
func output(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("%s: %w", filepath.Base(program), ctx.Err())
	case err != nil:
		err = fmt.Errorf("%s: %w%s", filepath.Base(program), err, excerpt(stderr.String()))
	}
	return stdout.Bytes(), err
}

// process is a program that runs until it is stopped.
type process struct {
	name string
	log  string // file
	pid  int
	stop func()               // stops it and waits
	kill func()               // at once, without waiting
	cpu  func() time.Duration // waits until it has ended; user and system time
	done chan struct{}
}

// start starts a program that writes to a log file.
func start(ctx context.Context, log, program string, args ...string) (*process, error) {
	f, err := os.Create(log) //nolint:gosec // a file of the temporary directory
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // the process has its own handle
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	p := &process{name: filepath.Base(program), log: log, pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code after SIGTERM does not matter
		close(p.done)
	}()
	p.kill = func() { _ = cmd.Process.Kill() } // it may have ended already
	p.cpu = func() time.Duration {
		<-p.done
		return cpuTime(cmd)
	}
	p.stop = func() {
		cancel()
		<-p.done
	}
	return p, nil
}

// cpuTime returns the CPU time of a program that has ended.
func cpuTime(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// ready waits until the probe succeeds.
func (p *process) ready(ctx context.Context, probe func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !probe(ctx) {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended%s", p.name, p.logExcerpt())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w%s", p.name, ctx.Err(), p.logExcerpt())
		}
	}
	return nil
}

// logExcerpt returns an excerpt of the log.
func (p *process) logExcerpt() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ", and its log cannot be read"
	}
	return excerpt(string(text))
}

// excerpt returns a few lines of a program's output, to append to an error: those from
// the first error line on, or else the last ones.
func excerpt(text string) string {
	const n = 5
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] == "" {
		return ""
	}
	from := slices.IndexFunc(lines, isErrorLine)
	if from < 0 {
		from = max(0, len(lines)-n)
	}
	return ":\n" + strings.Join(lines[from:min(len(lines), from+n)], "\n")
}

// isErrorLine reports whether a line is an error of the Go runtime, the go command, a
// test, usher or nats-server.
func isErrorLine(line string) bool {
	for _, start := range []string{"panic: ", "fatal error: ", "--- FAIL", "# "} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return strings.Contains(line, "error: ") || strings.Contains(line, "level=ERROR") || strings.Contains(line, "[FTL]")
}
