package permissions_test

import (
	"errors"
	"go/ast"
	gobuild "go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// soloAdmin is the grant of a project_admin whose project is alone in its account.
func soloAdmin(t *testing.T) permissions.Grant {
	t.Helper()
	alone := testDirectory()
	alone.Projects = alone.Projects[:1]
	g, err := derive(t, newPolicy(), snapshotOf(t, alone), "ann", identity.Selection{})
	must(t, err)
	return g
}

// connectAdmin connects as user "free", who may do everything in the account.
func connectAdmin(t *testing.T, s *server.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("free", "p"), nats.Timeout(timeout))
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(timeout))
	must(t, err)
	return nc, js
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// createStream creates the stream of a project.
func createStream(t *testing.T, js jetstream.JetStream, name string) {
	t.Helper()
	config := jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, AllowDirect: true}
	_, err := js.CreateStream(t.Context(), config)
	var refused *jetstream.APIError
	for deadline := time.Now().Add(timeout); errors.As(err, &refused) && refused.ErrorCode == storeFailed && time.Now().Before(deadline); {
		_, err = js.CreateStream(t.Context(), config)
	}
	must(t, err)
}

// storeFailed is the code of nats-server for a stream whose folder it cannot create: it may
// still be removing that of a stream of the same name.
const storeFailed = 10049

// createConsumers creates a pull consumer, and a push consumer with flow control that
// has a subscriber.
func createConsumers(t *testing.T, nc *nats.Conn, js jetstream.JetStream, stream, pull string) {
	t.Helper()
	_, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: pull, AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	legacy, err := nc.JetStream() // the newer client cannot create push consumers with flow control
	must(t, err)
	_, err = legacy.Subscribe(stream+".>", func(*nats.Msg) {}, nats.BindStream(stream), nats.Durable(pull+"-push"), nats.EnableFlowControl(), nats.IdleHeartbeat(timeout), nats.ManualAck())
	must(t, err)
}

// serverSubscriptions lists the subjects that the server itself subscribes to, in every
// account, without those of connected clients.
func serverSubscriptions(t *testing.T, s *server.Server) []string {
	t.Helper()
	sz, err := s.Subsz(&server.SubszOptions{Subscriptions: true, Limit: 100_000})
	must(t, err)
	conns, err := s.Connz(&server.ConnzOptions{Subscriptions: true, Limit: 1000})
	must(t, err)
	clients := map[uint64]bool{}
	for _, c := range conns.Conns {
		clients[c.Cid] = true
	}
	var subjects []string
	for _, sub := range sz.Subs {
		if !clients[sub.Cid] {
			subjects = append(subjects, sub.Subject)
		}
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

// reachedBy returns the subscriptions that a publish allowance of a grant overlaps.
func reachedBy(g *permissions.Grant, subscriptions []string) []string {
	var out []string
	for _, rule := range g.Subjects(permissions.Publish, permissions.Allow) {
		for _, sub := range subscriptions {
			if server.SubjectsCollide(rule, sub) {
				out = append(out, sub)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// without returns the elements of all that are not in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

// Of the server's own subscriptions (JetStream, system account, MQTT), a grant reaches
// only those of its own stream and consumer, whatever the name of the JetStream domain.
//
// Attack: a project with the name of the JetStream domain acknowledges and reads every stream of its account
// Held by: a grant reaches no server subscription of another stream or consumer
func TestGrantsReachOwnStreamOnly(t *testing.T) {
	snapshot := snapshotOf(t, testDirectory())
	grants := map[string]permissions.Grant{}
	users := map[string]*server.Permissions{"free": nil}
	for _, name := range []string{"ann", "pia", "carl", "bob", "idle", "hab"} {
		g, err := derive(t, newPolicy(), snapshot, name, identity.Selection{})
		must(t, err)
		grants[name] = g
	}
	health, err := newPolicy().Derive(identity.Identity{Name: "h", Method: identity.MethodHealthCheck}, directory.Facts{})
	must(t, err)
	grants["health check"], grants["solo"] = health, soloAdmin(t)
	for name, change := range map[string]func(*server.Options){
		"no domain":                    func(*server.Options) {},
		"domain":                       func(o *server.Options) { o.JetStreamDomain = "hub" },
		"domain named as the project":  func(o *server.Options) { o.JetStreamDomain = "shop" },
		"domain named as a consumer":   func(o *server.Options) { o.JetStreamDomain = "billing" },
		"domain named as an API token": func(o *server.Options) { o.JetStreamDomain = "ACK" },
		"newer acknowledgement format": func(o *server.Options) {
			o.JetStreamDomain = "shop"
			o.FeatureFlags = map[string]bool{server.FeatureFlagJsAckFormatV2: true, server.FeatureFlagJsAPIReplyFormatV2: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, users, change, func(o *server.Options) {
				o.ServerName = "s"
				o.MQTT.Host, o.MQTT.Port = "127.0.0.1", -1
				o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", -1
			})
			nc, js := connectAdmin(t, s)
			createStream(t, js, "lab")
			createConsumers(t, nc, js, "lab", "reader")
			_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "shop"})
			must(t, err)
			_, err = js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "shop"})
			must(t, err)
			others := serverSubscriptions(t, s)
			if !slices.Contains(others, "$JS.API.CONSUMER.RESET.lab.reader") || !slices.ContainsFunc(others, func(s string) bool { return strings.HasPrefix(s, "$JS.ACK.lab.reader.") }) ||
				!slices.ContainsFunc(others, func(s string) bool { return strings.HasPrefix(s, "$JS.FC.lab.reader-push.") }) || !slices.Contains(others, "$SYS.REQ.USER.*.INFO") {
				t.Fatalf("the list is incomplete: %q", others)
			}
			for user, g := range grants {
				// The API is one subscription: see TestGrantsReachOwnAPIOnly.
				if got := without(reachedBy(&g, others), []string{"$JS.API.>"}); len(got) > 0 {
					t.Errorf("%s reaches %q", user, got)
				}
			}

			createStream(t, js, "shop")
			createConsumers(t, nc, js, "shop", "audit")
			shop := without(serverSubscriptions(t, s), others)
			createConsumers(t, nc, js, "shop", "billing")
			billing := without(serverSubscriptions(t, s), slices.Concat(shop, others))
			admin := withPrefix("$JS.", "ACK.shop.billing-push.*.*.*.*.*", "ACK.shop.billing.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.billing",
				"API.CONSUMER.MSG.NEXT.shop.billing-push", "FC.shop.billing-push.*")
			consumer := withPrefix("$JS.", "ACK.shop.billing.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.billing")
			for user, want := range map[string]struct{ stream, consumer []string }{
				"ann": {
					append(withPrefix("$JS.", "ACK.shop.audit-push.*.*.*.*.*", "ACK.shop.audit.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.audit",
						"API.CONSUMER.MSG.NEXT.shop.audit-push", "FC.shop.audit-push.*"), "shop.>"), admin,
				},
				"solo": {
					append(withPrefix("$JS.", "ACK.shop.audit-push.*.*.*.*.*", "ACK.shop.audit.*.*.*.*.*", "API.CONSUMER.MSG.NEXT.shop.audit",
						"API.CONSUMER.MSG.NEXT.shop.audit-push", "API.DIRECT.GET.shop", "API.DIRECT.GET.shop.>", "FC.shop.audit-push.*"), "shop.>"), admin,
				},
				"pia":          {[]string{"shop.>"}, nil},
				"carl":         {nil, consumer},
				"bob":          {[]string{"shop.>"}, consumer},
				"idle":         {},
				"hab":          {},
				"health check": {},
			} {
				g := grants[user]
				if got := reachedBy(&g, shop); !slices.Equal(got, want.stream) {
					t.Errorf("%s reaches %q of stream shop, want %q", user, got, want.stream)
				}
				if got := reachedBy(&g, billing); !slices.Equal(got, want.consumer) {
					t.Errorf("%s reaches %q of consumer billing, want %q", user, got, want.consumer)
				}
			}
		})
	}
}

// jetStreamAPI returns the subjects of the JetStream API from the source of the server
// in go.mod, because they are in no list of its subscriptions. The first wildcard of each
// is the stream, except for requests about the whole account or server.
func jetStreamAPI(t *testing.T) []string {
	t.Helper()
	pkg, err := gobuild.Import("github.com/nats-io/nats-server/v2/server", ".", gobuild.FindOnly)
	must(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, "jetstream_api.go"), nil, 0)
	must(t, err)
	var patterns []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			must(t, err)
			text = strings.ReplaceAll(text, "%s", "*")
			if strings.HasPrefix(text, "$JS.API.") && !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, ".*.*.*") && strings.Count(text, ".>") == strings.Count(text, ".*.>") {
				patterns = append(patterns, text)
			}
		}
		return true
	})
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// Of the JetStream API, a grant reaches only requests about its own stream and consumer.
func TestGrantsReachOwnAPIOnly(t *testing.T) {
	patterns := jetStreamAPI(t)
	if len(patterns) < 30 || !slices.Contains(patterns, server.JSApiConsumerCreateEx) || !slices.Contains(patterns, "$JS.API.CONSUMER.RESET.*.*") {
		t.Fatalf("the list is incomplete: %q", patterns)
	}
	snapshot := snapshotOf(t, testDirectory())
	for user, own := range map[string]struct {
		subjects int
		stream   string
		consumer string // of the ACL; empty: any
	}{"ann": {13, "shop", ""}, "solo": {16, "shop", ""}, "carl": {2, "shop", "billing"}, "pia": {}, "idle": {}, "hab": {}} {
		g := soloAdmin(t)
		if user != "solo" {
			var err error
			g, err = derive(t, newPolicy(), snapshot, user, identity.Selection{})
			must(t, err)
		}
		n := 0
		for _, pattern := range patterns {
			found := false
			for _, rule := range g.Subjects(permissions.Publish, permissions.Allow) {
				if !server.SubjectsCollide(rule, pattern) {
					continue
				}
				found = true
				tokens, names := strings.Split(rule, "."), strings.Split(pattern, ".")
				at := slices.Index(names, "*")
				if at < 0 || at >= len(tokens) || tokens[at] != own.stream || own.consumer != "" && (len(tokens) != at+2 || tokens[at+1] != own.consumer) {
					t.Errorf("%s reaches %s by %s", user, pattern, rule)
				}
			}
			if found {
				n++
			}
		}
		if n != own.subjects {
			t.Errorf("%s reaches %d subjects of the API, want %d", user, n, own.subjects)
		}
	}
}
