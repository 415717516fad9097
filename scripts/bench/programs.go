package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"
)

// program is one that is built for the run.
type program string

const (
	usher         program = "usher"
	natsServer    program = "nats-server"
	reference     program = "reference"
	calloutTest   program = "callout.test"
	directoryTest program = "directory.test"
	kvTest        program = "kv.test"
)

const natsServerModule = "github.com/nats-io/nats-server/v2"

// recipe says how the go command makes a program.
func (p program) recipe() (verb []string, pkg string) {
	switch p {
	case natsServer:
		return []string{"build"}, natsServerModule
	case reference:
		return []string{"build"}, "usher/scripts/bench/reference"
	case calloutTest:
		return []string{"test", "-c"}, "usher/callout"
	case directoryTest:
		return []string{"test", "-c"}, "usher/directory/snapshot"
	case kvTest:
		return []string{"test", "-c"}, "usher/directory/kv"
	case usher:
	}
	return []string{"build"}, "usher/cmd/usher"
}

// buildIn is long enough for an empty build cache.
const buildIn = 5 * time.Minute

// runner is what steps measure with.
type runner struct {
	dir      string
	rounds   int
	progress io.Writer
	built    map[program]error // what was built, or why not
	sites    int               // how many there were
	cpu      string            // what benchmarks say it is
}

// say tells how far it is.
func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: "+format+"\n", args...)
}

func (r *runner) path(p program) string {
	name := string(p)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(r.dir, name)
}

// build makes what the steps need, so that none of them waits for it.
func (r *runner) build(ctx context.Context, steps []step) {
	r.built = map[program]error{}
	ctx, cancel := context.WithTimeout(ctx, buildIn)
	defer cancel()
	for _, s := range steps {
		for _, p := range s.needs {
			if _, ok := r.built[p]; ok || ctx.Err() != nil {
				continue
			}
			r.say("build %s", p)
			verb, pkg := p.recipe()
			_, err := output(ctx, "", "go", append(verb, "-o", r.path(p), pkg)...)
			r.built[p] = err
		}
	}
}

// program returns the path of a program that was built.
func (r *runner) program(p program) (string, error) {
	if err, ok := r.built[p]; !ok || err != nil {
		return "", fmt.Errorf("%s was not built: %w", p, err)
	}
	return r.path(p), nil
}
