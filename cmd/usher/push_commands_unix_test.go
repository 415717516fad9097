//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/directory"
)

// apiCommands runs commands of project shop against an API.
type apiCommands struct {
	*testing.T
	server, key string // the key is in a file
}

func newAPICommands(t *testing.T, s *messagestest.Site, key string) *apiCommands {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	callouttest.Must(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	return &apiCommands{t, s.Server.APIURL(), file}
}

// run runs a command with an argument at its end.
func (c *apiCommands) run(want int, command, arg string) (stdout, stderr string) {
	c.Helper()
	args := append(strings.Fields(command), "--server", c.server, "--key-file", c.key)
	if !strings.Contains(command, "--all") {
		args = append(args, "--project", "shop")
	}
	if arg != "" {
		args = append(args, arg)
	}
	code, stdout, stderr := usher(c.T, args...)
	if code != want {
		c.Fatalf("%v: %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout, stderr
}

// says checks that lines of a text match.
func (c *apiCommands) says(text string, lines ...string) {
	c.Helper()
	for _, line := range lines {
		if !regexp.MustCompile("(?m)" + line).MatchString(text) {
			c.Errorf("%s is missing:\n%s", line, text)
		}
	}
}

// prints runs a command that succeeds, and checks lines of its stdout.
func (c *apiCommands) prints(command, arg string, lines ...string) (stdout string) {
	c.Helper()
	stdout, _ = c.run(cmdutil.ExitOK, command, arg)
	c.says(stdout, lines...)
	return stdout
}

// reports runs a command, and checks lines of its stderr.
func (c *apiCommands) reports(want int, command, arg string, lines ...string) {
	c.Helper()
	_, stderr := c.run(want, command, arg)
	c.says(stderr, lines...)
}

// pushCommands: what commands say about messages and pushes, while a worker pushes four
// subscriptions of topic orders, which has 60 messages.
func pushCommands(t *testing.T, s *messagestest.Site, r *pushReceiver) {
	t.Helper()
	root := newAPICommands(t, s, s.AdminKey())
	root.prints("topic show", "orders", `^subject +shop\.orders$`, `^subscriptions +4$`, `^messages +60 stored \([\d.]+ (Ki)?B\), 60 published$`,
		`^oldest message +20\S+Z \(\d+[sm] ago\)$`)
	root.prints("topic show --json", "orders", `"subject":"shop.orders".*"messages":\{"subscriptions":4,"published":60,"stored":60,"bytes":\d+,"oldest":"20`)
	text := ""
	callouttest.EventuallyWithin(t, time.Minute, "all is acknowledged", func() bool {
		text = root.prints("subscription show", "a")
		return strings.Contains(text, " 0 messages\n")
	})
	root.says(text, `^topic +orders$`, `^ack deadline +10s$`, `^offset +61 \(of 1 to 61\)$`, `^deliveries +[1-9]\d+$`, `^last acknowledgement +20`,
		`^pushed to +https://`, `^verified +yes$`, `^retry policy +linear, every 50ms$`, `^authorization +autogen$`,
		`^push status +active$`, `^pushed by +\S+_\S+$`, `^delivered +\d+`)
	root.prints("subscription show --json", "a", `"pushState":\{"status":"active","worker":"`, `"messages":\{"max":61,"min":1,"current":61,"lag":0,`)

	// Members see what their roles allow.
	con := newAPICommands(t, s, s.Member(t, "shop", "con", directory.RoleConsumer))
	root.run(cmdutil.ExitOK, "acl add --subscription b", "con")
	con.prints("subscription push show --header", "b", `^header +not shown: `)
	con.prints("subscription show", "b", `^lag +0 messages$`)

	root.prints("push status", "", `^SUBSCRIPTION +STATUS +WORKER +DELIVERED +FAILURES +DEAD LETTERS +LAG +NEXT ATTEMPT +LAST ERROR$`,
		`^shop/a +active +\S+_\S+ +\d+ +0 +0 +0 +- +-$`, `^shop/d +active`)
	root.reports(cmdutil.ExitOK, "push status", "", `^worker \S+ pushes 4 subscriptions of these$`, `^as of 20\S+Z; `)
	root.prints("push status --all --json", "", `^\{"workers":\[.*\{"name":"[^"]+","subscriptions":4\}.*\],"subscriptions":\[\{"project":"shop","name":"a","state":\{"status":"active",.*"lag":0`)
	if text, stderr := con.run(cmdutil.ExitOK, "push status --all", ""); !strings.Contains(text, "shop/b ") || strings.Contains(text, "shop/a ") || strings.Contains(stderr, "worker") {
		t.Errorf("a consumer sees more than its subscription:\n%s%s", text, stderr)
	}
	pushNewEndpoint(root, r)
}

// pushNewEndpoint: an endpoint is configured, verified, and its header is rotated.
func pushNewEndpoint(root *apiCommands, r *pushReceiver) {
	root.Helper()
	root.run(cmdutil.ExitOK, "subscription add --topic orders", "fresh")
	text := root.prints("subscription push set --endpoint "+r.URL+"/fresh", "fresh", `^url +`+r.URL+`/ams_verification_hash$`, `^hash +[0-9a-f]{64}$`)
	hash := regexp.MustCompile(`[0-9a-f]{64}`).FindString(text)
	root.prints("subscription show", "fresh", `^verified +no$`, `^push status +unverified$`)
	const verify = "subscription push verify"
	root.reports(cmdutil.ExitRuntime, verify, "fresh", `error: Endpoint verification failed\.Wrong response status code; the endpoint answered with status \d+ \(401 `, `hint: `+r.URL+`/ams_verification_hash must answer GET with status 200`)
	r.answer(hash + "\n")
	root.reports(cmdutil.ExitRuntime, verify, "fresh", `error: Endpoint verification failed\.Wrong verification hash`, `hint: .* push show --project shop fresh$`)
	r.answer(hash)
	root.reports(cmdutil.ExitOK, verify, "fresh", `^the endpoint of subscription fresh is verified; (its messages are pushed|no process pushes its messages yet)$`)
	root.reports(cmdutil.ExitOK, verify, "fresh", `is verified already$`)

	header := regexp.MustCompile(`(?m)^header +([0-9a-f]{64})$`)
	const show = "subscription push show --header"
	first := header.FindStringSubmatch(root.prints(show, "fresh", header.String()))
	root.reports(cmdutil.ExitOK, "subscription push rotate-header", "fresh", `hint: usher subscription push show --header --project shop fresh shows it$`)
	text = root.prints(show, "fresh", header.String(), `^previous header +[0-9a-f]{64}$`, `^until +20`)
	second := header.FindStringSubmatch(text)
	if first == nil || second == nil || first[1] == second[1] || !strings.Contains(text, first[1]) {
		root.Fatalf("the header is not rotated: %v\n%s", first, text)
	}
	for _, command := range []string{"subscription show --json", "subscription push show --json", "subscription push set --json --max-messages 2"} {
		if text := root.prints(command, "fresh", `"authorizationHeader":\{"type":"autogen"\}`); strings.Contains(text, first[1]) || strings.Contains(text, second[1]) {
			root.Errorf("%s shows the header:\n%s", command, text)
		}
	}
	root.reports(cmdutil.ExitOK, "subscription push off", "fresh", `^subscription fresh is not pushed`)
	root.run(cmdutil.ExitOK, "subscription rm --purge", "fresh")
}
