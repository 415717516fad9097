package eventgateway_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// Servers on hosts of their own reach each other by the names of their hosts: each server
// sees an /etc/hosts of its own, in a mount namespace. If a host has another name than its
// certificate, they do not join.
//
// Where namespaces are not allowed, the rest of the package tests names alone.
func TestGatewayHosts(t *testing.T) {
	t.Parallel()
	if out, err := inNamespace(t.Context(), "/etc/hosts", "true").CombinedOutput(); err != nil {
		t.Logf("mount namespaces are not allowed here: %v\n%s", err, out)
		return
	}
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	for name, joins := range map[string]bool{setup.GatewayInternal: true, "renamed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Each host has an address of its own.
			g := gatewaytest.New(t, func(o *setup.EventGateway) {
				o.GatewayOf.External = strings.Replace(o.GatewayOf.External, "127.0.0.1", "127.0.0.2", 1)
				o.GatewayOf.Internal = strings.Replace(o.GatewayOf.Internal, "127.0.0.1", "127.0.0.3", 1)
			})
			// By default, the servers dial addresses and verify names.
			_, external, _ := net.SplitHostPort(g.Gateways[0])
			_, internal, _ := net.SplitHostPort(g.Gateways[1])
			g.Edit(t, setup.FileExternal, `"nats://127.0.0.3:`+internal+`", "nats://`+setup.GatewayInternal, `"nats://`+name)
			g.Edit(t, setup.FileInternal, `"nats://127.0.0.2:`+external+`", `, "")
			g.Write(t, "hosts", "127.0.0.1 localhost\n127.0.0.2 "+setup.GatewayExternal+"\n127.0.0.3 "+name+"\n")
			log := startHost(t, g, natsServer, setup.FileExternal)
			startHost(t, g, natsServer, setup.FileInternal)
			g.Usher(t)
			service, supervisor := g.Service(t, setup.ServiceApplications), g.Supervisor(t, gatewaytest.IngestToken)
			events, err := service.SubscribeSync("habitat.event.>")
			callouttest.Must(t, err)
			callouttest.Must(t, service.Flush())
			passes := func() bool { return eventPasses(t, supervisor, events) }
			if joins {
				callouttest.Eventually(t, "an event passes", passes)
				return
			}
			callouttest.Eventually(t, "the other is refused", func() bool { return strings.Count(log.String(), "TLS gateway handshake error") >= 6 })
			if passes() {
				t.Error("an event passes")
			}
		})
	}
}

// startHost runs a server as a process that sees the hosts of the installation. It ends
// with the test.
func startHost(t *testing.T, g *gatewaytest.Gateway, natsServer, file string) *callouttest.Buffer {
	t.Helper()
	cmd := inNamespace(context.WithoutCancel(t.Context()), g.Path("hosts"), natsServer, "-c", g.Path(file))
	log := &callouttest.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	callouttest.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it is to end
		_ = cmd.Wait()         // it was killed
	})
	callouttest.Eventually(t, "the server of "+file+" is ready", func() bool { return strings.Contains(log.String(), "Server is ready") })
	return log
}

// inNamespace returns a command that sees a file as /etc/hosts. What it mounts is nowhere
// else, because it has a user namespace of its own, too.
func inNamespace(ctx context.Context, hosts, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts, program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	return cmd
}
