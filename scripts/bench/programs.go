package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"
)

// program is a program that a run builds.
type program string

const (
	nobody        program = ""
	usher         program = "usher"
	natsServer    program = "nats-server"
	reference     program = "reference"
	calloutTest   program = "callout.test"
	directoryTest program = "directory.test"
	kvTest        program = "kv.test"
	oidcTest      program = "oidc.test"
	nkeyTest      program = "nkey.test"
	natsJWTTest   program = "natsjwt.test"
	sessionsTest  program = "sessions.test"
	storeTest     program = "store.test"
	messagesTest  program = "messages.test"
	pushTest      program = "push.test"
	supervisors   program = "supervisors"
)

const natsServerModule = "github.com/nats-io/nats-server/v2"

func testPackages() map[program]string {
	return map[program]string{
		calloutTest: "usher/callout", directoryTest: "usher/directory/snapshot", kvTest: "usher/directory/kv", sessionsTest: "usher/app/sessions",
		storeTest: "usher/app/messages/store", messagesTest: "usher/app/apptest/messagestest", pushTest: "usher/app/push/jssource",
		oidcTest: "usher/tokens/oidc", nkeyTest: "usher/tokens/nkey", natsJWTTest: "usher/tokens/natsjwt",
	}
}

// recipe returns the go command that builds a program, and its package.
func (p program) recipe() (command []string, pkg string) {
	switch p {
	case natsServer:
		return []string{"build"}, natsServerModule
	case reference:
		return []string{"build"}, "usher/scripts/bench/reference"
	case supervisors:
		return []string{"build"}, "usher/scripts/bench/supervisors"
	case calloutTest, directoryTest, kvTest, oidcTest, nkeyTest, natsJWTTest, sessionsTest, storeTest, messagesTest, pushTest:
		return []string{"test", "-c"}, testPackages()[p]
	case usher, nobody:
	}
	return []string{"build"}, "usher/cmd/usher"
}

// buildTimeout is long enough for an empty build cache.
const buildTimeout = 5 * time.Minute

// runner runs the steps.
type runner struct {
	dir         string
	rounds      int
	progress    io.Writer
	built       map[program]error // by program: nil, or why the build failed
	deployments int               // number of deployments so far
	idle        map[backend]cpuTimes
	jwts        *issuedJWTs // nil: not made yet
	cpu         string      // CPU model as the benchmarks print it
}

// logf prints progress.
func (r *runner) logf(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: "+format+"\n", args...)
}

func (r *runner) path(p program) string {
	name := string(p)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(r.dir, name)
}

// build builds the programs that the steps need before any step runs.
func (r *runner) build(ctx context.Context, steps []step) {
	r.built = map[program]error{}
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	for _, s := range steps {
		for _, p := range s.needs {
			if _, ok := r.built[p]; ok || ctx.Err() != nil {
				continue
			}
			r.logf("build %s", p)
			command, pkg := p.recipe()
			_, err := output(ctx, "", "go", append(command, "-o", r.path(p), pkg)...)
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
