//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
)

const eventGatewayPage = "docs/how-to/event-gateway.md"

// TestEventGatewayPage runs the commands of the page on other ports. An event arrives on one
// machine, and on two, which are two folders here.
func TestEventGatewayPage(t *testing.T) {
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	program := callouttest.Build(t, "usher", "usher/cmd/usher")
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(eventGatewayPage)))
	callouttest.Must(t, err)
	_, yaml, _ := strings.Cut(string(text), "```yaml\n")
	yaml, _, _ = strings.Cut(yaml, "```")

	t.Run("one machine", func(t *testing.T) {
		s := newDocShell(t, natsServer, program)
		s.run(t, "## On one machine", "Make a token.")
		token := s.run(t, "Make a token.", "Put the user")
		directory := digestInText.ReplaceAllString(yaml, digestInText.FindString(token))
		callouttest.Must(t, os.WriteFile(filepath.Join(s.dir, "gateway", setup.FileDirectory), []byte(directory), 0o600))
		s.run(t, "Start both servers", "Wait for an event")
		s.event(t)
	})
	t.Run("two machines", func(t *testing.T) {
		s := newDocShell(t, natsServer, program)
		s.run(t, "## On two machines", "Each machine gets")
		token := s.run(t, "Make a token.", "Put the user")
		directory := digestInText.ReplaceAllString(yaml, digestInText.FindString(token))
		callouttest.Must(t, os.WriteFile(filepath.Join(s.dir, "two", setup.FileDirectory), []byte(directory), 0o600))
		s.run(t, "Each machine gets", "A service gets")
		callouttest.Must(t, os.Rename(filepath.Join(s.dir, "two"), filepath.Join(s.dir, "gateway"))) // of the services
		s.run(t, "A service gets", "## Your own certificates")
		s.event(t)
	})
}

var digestInText = regexp.MustCompile(`sha256:[0-9a-f]{64}`) //nolint:gochecknoglobals // a parsed constant

// docShell runs the commands of a page.
type docShell struct {
	dir   string
	env   []string
	ports *strings.Replacer
}

func newDocShell(t *testing.T, natsServer, program string) *docShell {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	callouttest.Must(t, os.Mkdir(bin, 0o700))
	callouttest.Must(t, os.Symlink(natsServer, filepath.Join(bin, "nats-server")))
	callouttest.Must(t, os.Symlink(program, filepath.Join(bin, "usher")))
	at := func() string { return fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t)) }
	external, internal, gateway, gatewayExternal := at(), at(), at(), at()
	return &docShell{
		dir: dir, env: append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")),
		ports: strings.NewReplacer(
			"--yes --host events.example.org --gateway-external 10.0.0.1:10148 --gateway 10.0.0.2:10147 --internal 10.0.0.2:10140",
			"--listen "+external+" --http "+at()+" --api "+at()+" --host localhost --host 127.0.0.1 --gateway-external "+gatewayExternal+" --gateway "+gateway+" --internal "+internal,
			"--yes --host events.example.org",
			"--listen "+external+" --http "+at()+" --api "+at()+" --host localhost --host 127.0.0.1 --gateway-external "+gatewayExternal+" --gateway "+gateway+" --internal "+internal,
			"events.example.org:4222", external, "127.0.0.1:10140", internal,
		),
	}
}

// run runs the commands between two texts of the page, and returns what they print.
func (s *docShell) run(t *testing.T, from, to string) string {
	t.Helper()
	printed := ""
	commands := pageCommands(t, eventGatewayPage, from, to)
	if len(commands) == 0 {
		t.Fatalf("no commands between %q and %q", from, to)
	}
	for _, c := range commands {
		line := s.ports.Replace(c.line)
		if before, ok := strings.CutSuffix(line, "&"); ok {
			background(t, s.command(t, "exec "+before))
			continue
		}
		out, err := s.command(t, line).CombinedOutput()
		if err != nil {
			t.Fatalf("$ %s\n%v\n%s", line, err, out)
		}
		printed += string(out)
	}
	return printed
}

func (s *docShell) command(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
	c.Dir, c.Env = s.dir, s.env
	return c
}

// event runs the two commands with which an event is received and sent. The second is
// repeated until the first has it: the servers may not have joined yet.
func (s *docShell) event(t *testing.T) {
	t.Helper()
	commands := pageCommands(t, eventGatewayPage, "Wait for an event", "Supervisors need")
	if len(commands) != 2 {
		t.Fatalf("%d commands", len(commands))
	}
	receive := s.command(t, "exec "+strings.TrimSuffix(s.ports.Replace(commands[0].line), "&"))
	var got callouttest.Buffer
	receive.Stdout, receive.Stderr = &got, &got
	callouttest.Must(t, receive.Start())
	ended := make(chan error, 1)
	go func() { ended <- receive.Wait() }()
	received := false
	callouttest.Eventually(t, "the service has subscribed", func() bool { return strings.Contains(got.String(), "subscribed to") })
	callouttest.Eventually(t, "the event arrives", func() bool {
		out, err := s.command(t, s.ports.Replace(commands[1].line)).CombinedOutput()
		if err == nil && string(out) != commands[1].prints {
			t.Fatalf("$ %s\n%s", commands[1].line, out)
		}
		select {
		case err := <-ended:
			if err != nil || strings.TrimSpace(got.String()) != strings.TrimSpace(commands[0].prints) {
				t.Fatalf("%v\n%s", err, got.String())
			}
			received = true
		default:
		}
		return received
	})
}
