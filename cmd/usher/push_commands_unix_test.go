//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/wire"
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
	deadLetterCommands(root, s)
}

// deadLetterCommands runs the commands of the page on pushes that read dead letters, and
// publishes one again.
func deadLetterCommands(root *apiCommands, s *messagestest.Site) {
	root.Helper()
	nc := s.Connect(root.T, messagestest.AdminUser, s.AdminKey())
	callouttest.Must(root.T, nc.PublishMsg(&nats.Msg{Subject: "shop._dead.billing", Data: []byte("teapot"), Header: nats.Header{"Usher-Dead-Letter-Subscription": {"billing"}}}))
	callouttest.Must(root.T, nc.Flush())
	done := 0
	for _, command := range pageCommands(root.T, "docs/how-to/push.md", "## Read dead letters", "## See also") {
		line, ok := strings.CutPrefix(command.line, "usher ")
		if !ok {
			root.Fatalf("no command of usher: %s", command.line)
		}
		at := strings.LastIndexByte(line, ' ')
		if _, said := root.run(cmdutil.ExitOK, line[:at], line[at+1:]); said != command.prints {
			root.Errorf("$ %s\n%s\ndocs/how-to/push.md says:\n%s", command.line, said, command.prints)
		}
		done++
	}
	if done != 3 {
		root.Errorf("%d commands", done)
	}
	const project = "/v1/projects/shop"
	ask := func(path, body string) (answer string) {
		status, answer := s.Do(root.T, s.AdminKey(), http.MethodPost, project+path, body)
		if status != http.StatusOK {
			root.Fatalf("%s: %d %s", path, status, answer)
		}
		return answer
	}
	var pulled wire.ReceivedMessages
	callouttest.Eventually(root.T, "a dead letter can be pulled", func() bool {
		callouttest.Must(root.T, json.Unmarshal([]byte(ask("/subscriptions/deads:pull", `{"maxMessages":"10"}`)), &pulled))
		return len(pulled.ReceivedMessages) == 1
	})
	got := pulled.ReceivedMessages[0]
	root.says(ask("/topics/orders:publish", fmt.Sprintf(`{"messages":[{"data":%q}]}`, got.Message.Data)), `"messageIds":\["\d+"\]`)
	ask("/subscriptions/deads:acknowledge", fmt.Sprintf(`{"ackIds":[%q]}`, got.AckID))
	if got.Message.Attributes["Usher-Dead-Letter-Subscription"] != "billing" {
		root.Errorf("attributes: %v", got.Message.Attributes)
	}
	root.prints("subscription show", "deads", `^lag +0 messages$`)
}

// pushStatusUnknown: without NATS usher push status says why it does not know.
func pushStatusUnknown(t *testing.T, s *messagestest.Site) {
	t.Helper()
	s.NATS.Stop()
	t.Run("text", func(t *testing.T) {
		t.Parallel() // each waits some seconds for NATS
		root := newAPICommands(t, s, s.AdminKey())
		stdout, stderr := root.run(cmdutil.ExitOK, "push status", "")
		root.says(stdout, `^shop/a +unknown +- +- `)
		root.says(stderr, `^status of shop/a: not known: The push workers cannot be asked now$`, `^lag of shop/a: not known: `, `hint: .* Is NATS up\? `)
	})
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		newAPICommands(t, s, s.AdminKey()).prints("push status --json", "", `"workers":null,"workers_unavailable":"The push workers cannot be asked now","subscriptions":\[\{"project":"shop","name":"a","state":null,"state_unavailable":"Push server`)
	})
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
