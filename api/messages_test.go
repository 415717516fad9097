package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/api"
	"usher/api/messages"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

// memoryMessages keeps messages as JetStream would, for one project.
type memoryMessages struct {
	mu       sync.Mutex
	now      func() time.Time
	stored   []messages.Message
	next     map[string]uint64 // of each subscription
	acked    map[string][]uint64
	returned int
	fail     error
	arrived  chan struct{} // a pull has begun to wait
}

func newMemoryMessages(now func() time.Time) *memoryMessages {
	return &memoryMessages{now: now, next: map[string]uint64{}, acked: map[string][]uint64{}, arrived: make(chan struct{}, 100)}
}

// reset forgets everything.
func (m *memoryMessages) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored = nil
	clear(m.next)
	clear(m.acked)
}

func (m *memoryMessages) Publish(_ context.Context, _ messages.TopicRef, all []messages.Message) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	for _, msg := range all {
		if i := slices.IndexFunc(m.stored, func(o messages.Message) bool { return o.DedupeID != "" && o.DedupeID == msg.DedupeID }); i >= 0 {
			ids = append(ids, m.stored[i].ID)
			continue
		}
		msg.ID, msg.Published = strconv.Itoa(len(m.stored)+1), m.now()
		m.stored = append(m.stored, msg)
		ids = append(ids, msg.ID)
	}
	return ids, nil
}

func (m *memoryMessages) Pull(ctx context.Context, sub messages.SubscriptionRef, count, maxBytes int, wait time.Duration) ([]messages.Received, error) {
	arrived := m.arrived
	for end := time.After(wait); ; {
		got, err := m.take(sub, count, maxBytes)
		if len(got) > 0 || err != nil || wait == 0 {
			return got, err
		}
		select {
		case arrived <- struct{}{}:
			arrived = nil // once
		default:
		}
		select {
		case <-end:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (m *memoryMessages) take(sub messages.SubscriptionRef, count, maxBytes int) (got []messages.Received, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	name := sub.Project.Name + "/" + sub.Subscription.Name
	for int(m.next[name]) < len(m.stored) && len(got) < count {
		msg := m.stored[m.next[name]]
		if maxBytes -= len(msg.Data); maxBytes < 0 {
			break
		}
		m.next[name]++
		got = append(got, messages.Received{Message: msg, Delivery: messages.Delivery{Stream: m.next[name], Consumer: m.next[name], Count: 1, Timestamp: msg.Published.UnixNano(), At: m.now()}})
	}
	return got, nil
}

func (m *memoryMessages) Acknowledge(_ context.Context, sub messages.SubscriptionRef, all []messages.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := sub.Project.Name + "/" + sub.Subscription.Name
	for _, d := range all {
		m.acked[name] = append(m.acked[name], d.Stream)
	}
	return m.fail
}

func (m *memoryMessages) Return(_ context.Context, _ messages.SubscriptionRef, all []messages.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.returned += len(all)
	return nil
}

func (m *memoryMessages) Offsets(context.Context, messages.SubscriptionRef) (messages.Offsets, error) {
	return messages.Offsets{Min: 1, Max: 11, Current: 5}, m.fail
}

func (m *memoryMessages) Move(_ context.Context, sub messages.SubscriptionRef, offset uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next[sub.Project.Name+"/"+sub.Subscription.Name] = offset - 1
	return nil
}

func (m *memoryMessages) OffsetAt(context.Context, messages.SubscriptionRef, time.Time) (uint64, error) {
	return 7, m.fail
}

func (m *memoryMessages) TopicState(context.Context, messages.TopicRef) (messages.TopicState, error) {
	return messages.TopicState{Messages: 3, Bytes: 42, Published: 10, Oldest: startTime, Newest: startTime}, m.fail
}

func (m *memoryMessages) SubscriptionState(context.Context, messages.SubscriptionRef) (messages.SubscriptionState, error) {
	return messages.SubscriptionState{Pending: 2, AckPending: 1, Oldest: startTime, Consumed: 8}, m.fail
}

// fixedKeys are keys of ack ids.
type fixedKeys string

func (k fixedKeys) Seal(context.Context) ([]byte, error) { return []byte(k), nil }
func (k fixedKeys) Open(context.Context) [][]byte        { return [][]byte{[]byte("an older key"), []byte(k)} }

// The tokens of services.
var serviceTokens = map[string]directory.ServiceRole{
	"svc-admin": directory.ServiceRoleAdmin, "svc-worker": directory.ServiceRolePushWorker, "svc-viewer": directory.ServiceRoleViewer,
}

// startMessages returns an API that serves messages, with the users viewer and worker besides
// those of fill, and the service tokens.
func startMessages(tb testing.TB, change func(*api.Config)) (*service, *memoryMessages) {
	tb.Helper()
	store := newMemoryMessages(func() time.Time { return startTime })
	s := start(tb, newMemory(), func(c *api.Config) {
		store.now = c.Now
		c.Messages, c.AckKeys = store, fixedKeys("a key that all replicas have")
		for name, role := range serviceTokens {
			c.ServiceTokens = append(c.ServiceTokens, rest.ServiceToken{Name: name, Role: role, Digest: directory.DigestOf(serviceToken(name))})
		}
		if change != nil {
			change(c)
		}
	})
	for name := range serviceTokens {
		s.keys[name] = serviceToken(name)
	}
	for name, role := range map[string]string{"viewer": "admin_viewer", "worker": "push_worker"} {
		s.keys[name] = decode[wire.UserCreated](tb, s.root(200, "POST", "/v1/users/"+name, `{"service_roles":["`+role+`"]}`)).Token
	}
	s.responses = nil // which have these keys
	return s, store
}

func serviceToken(name string) string { return fmt.Sprintf("%064x", name) }

const (
	pathOrders  = "/v1/projects/shop/topics/orders"
	pathBilling = "/v1/projects/shop/subscriptions/billing"
)

// The policy of AMS, and ours where it differs: who may use each route in project shop. pub is
// in the ACL of topic orders alone, con in that of subscription billing.
//
// Attack: a user publishes to, consumes from or moves a topic or subscription of another project, or one whose ACL does not name it
// Held by: one table says which roles a route takes, and publisher and consumer are bound to the ACL on every one of them
func TestAccessToMessages(t *testing.T) {
	s, _ := startMessages(t, nil)
	const (
		topic, sub = "/topics/orders", "/subscriptions/billing"
		read       = "root svc-admin viewer svc-viewer admin "
		change     = "root svc-admin admin "
		workers    = "worker svc-worker "
	)
	policy := map[string]struct{ method, path, body, allowed string }{
		"project.metrics":                  {"GET", ":metrics", "", read},
		"topic.publish":                    {"POST", topic + ":publish", `{"messages":[{"data":"aGk="}]}`, change + "pub"},
		"topic.metrics":                    {"GET", topic + ":metrics", "", read + "pub"},
		"subscription.show":                {"GET", sub, "", read + workers + "con"},
		"subscription.pull":                {"POST", sub + ":pull", `{}`, change + workers + "con"},
		"subscription.acknowledge":         {"POST", sub + ":acknowledge", `{"ackIds":[]}`, change + workers + "con"},
		"subscription.offsets":             {"GET", sub + ":offsets", "", read + "con"},
		"subscription.modify_offset":       {"POST", sub + ":modifyOffset", `{"offset":5}`, change + "con"},
		"subscription.time_to_offset":      {"GET", sub + ":timeToOffset?time=2026-03-01T12:00:00.000Z", "", read + "con"},
		"subscription.metrics":             {"GET", sub + ":metrics", "", read + "con"},
		"subscription.modify_ack_deadline": {"POST", sub + ":modifyAckDeadline", `{"ackDeadlineSeconds":30}`, change + "con"},
	}
	for _, rt := range slices.Concat((&messages.Handlers{}).ProjectRoutes(), (&messages.Handlers{}).TopicRoutes(), (&messages.Handlers{}).SubscriptionRoutes()) {
		if _, ok := policy[rt.Name]; !ok {
			t.Errorf("%s has no policy", rt.Name)
		}
	}
	who := []string{"root", "ingest", "admin", "pub", "con", "lab-admin", "lab-pub", "lab-con", "nobody", "viewer", "worker", "svc-admin", "svc-worker", "svc-viewer", "expired", "off", "opaque-and-unknown", serviceToken("svc-none"), ""}
	noKey := []string{"expired", "off", "opaque-and-unknown", serviceToken("svc-none"), ""}
	check := func(route, what, method, path, body, allowed string) {
		for _, name := range who {
			want := http.StatusForbidden
			switch {
			case slices.Contains(noKey, name):
				want = http.StatusUnauthorized
			case slices.Contains(strings.Fields(allowed), name):
				want = http.StatusOK
			}
			if got := s.as(name, method, path, body); got.code != want {
				t.Errorf("%s, %s: %q gets %d %s, want %d", route, what, name, got.code, got.text, want)
			} else if want != http.StatusOK {
				_ = got.error(t)
			}
		}
	}
	for route, p := range policy {
		check(route, "own project", p.method, "/v1/projects/shop"+p.path, p.body, p.allowed)
		other := strings.Fields(p.allowed)
		for i, name := range other {
			if name == "admin" || name == "pub" || name == "con" {
				other[i] = "lab-" + name
			}
		}
		check(route, "another project", p.method, "/v1/projects/lab"+p.path, p.body, strings.Join(other, " "))
		notInACL := strings.NewReplacer("/orders", "/returns", "/billing", "/audit").Replace(p.path)
		if notInACL != p.path {
			check(route, "not in the ACL", p.method, "/v1/projects/shop"+notInACL, p.body, strings.NewReplacer(" con", "", " pub", "").Replace(p.allowed))
		}
	}
	s.noSecrets()
}

// Shapes and errors are AMS's.
func TestMessageShapes(t *testing.T) {
	s, store := startMessages(t, func(c *api.Config) { c.MaxPayload = func() int64 { return 1000 } })
	big := strings.Repeat("QUFB", 334) // 1002 bytes
	for _, tt := range []struct {
		who, method, path, body string
		code                    int
		want                    string // the body, or a part of the error
	}{
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"k":"v"},"data":"aGk="},{"data":"a\/8=","messageId":"9","x":[{}]}]}`, 200, `{"messageIds":["1","2"]}`},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"only":"attributes"}}]}`, 200, `{"messageIds":["3"]}`},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[]}`, 200, `{"messageIds":[]}`},
		{"pub", "POST", pathOrders + ":publish", ``, 400, "Invalid Message Arguments"},
		{"pub", "POST", pathOrders + ":publish", `{}`, 400, "Invalid Message Arguments"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"dat":"aGk="}]}`, 400, "messages[0]: has neither data nor attributes"},
		{"pub", "POST", pathOrders + ":publih", `{"messages":[]}`, 404, "Custom method doesn't exist"},
		{"pub", "GET", pathOrders + ":publish", "", 405, "allowed here: POST"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":"a"}]}`, 400, "messages[0].data: is not base64"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":"aGk"}]}`, 400, "base64"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":"aG\nk="}]}`, 400, "base64"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":"aGl="}]}`, 400, "base64"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":7}]}`, 400, "wrong type"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"a":1}}]}`, 400, "messages[0].attributes: a value has the wrong type"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"a":null}}]}`, 400, "wrong type"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"":"x"}}]}`, 400, "an attribute needs a name"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"attributes":{"a":"x","a":"y"}}]}`, 400, "no name occurs twice"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":""}]} {}`, 400, "one JSON object"},
		{"pub", "POST", pathOrders + ":publish", "{\"messages\":[{\"attributes\":{\"a\":\"\xff\"}}]}", 400, "UTF-8"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[` + strings.Repeat(`{"data":""},`, 1000) + `{"data":""}]}`, 400, "at most 1000 messages"},
		{"pub", "POST", pathOrders + ":publish", `{"messages":[{"data":"` + big + `"}]}`, 413, "Message size is too large"},
		{"root", "POST", "/v1/projects/shop/topics/none:publish", `{"messages":[]}`, 404, "Topic doesn't exist"},
		{"con", "POST", pathBilling + ":pull", `{"maxMessages":"abc"}`, 400, "Invalid Pull Parameters Arguments"},
		{"con", "POST", pathBilling + ":pull", `{"maxMessages":-1}`, 400, "maxMessages"},
		{"con", "POST", pathBilling + ":pull", `{"returnImmediately":"maybe"}`, 400, "returnImmediately"},
		{"con", "POST", pathBilling + ":pull", `[]`, 400, "wrong type"},
		{"con", "POST", pathBilling + ":acknowledge", `{}`, 400, "ackIds: is missing"},
		{"con", "POST", pathBilling + ":acknowledge", `{"ackIds":[1]}`, 400, "ackIds[0]"},
		{"con", "POST", pathBilling + ":acknowledge", `{"ackIds":["projects/shop/subscriptions/billing:0"]}`, 408, "ack timeout"},
		{"con", "POST", pathBilling + ":acknowledge", `{"ackIds":[]}`, 200, `{}`},
		{"con", "GET", pathBilling + ":offsets", "", 200, `{"max":11,"min":1,"current":5}`},
		{"con", "POST", pathBilling + ":modifyOffset", `{"offset":12}`, 400, "Offset out of bounds"},
		{"con", "POST", pathBilling + ":modifyOffset", `{"offset":12}`, 400, "expected 1 to 11"},
		{"con", "POST", pathBilling + ":modifyOffset", `{"offset":0}`, 400, "Offset out of bounds"},
		{"con", "POST", pathBilling + ":modifyOffset", `{"offset":-1}`, 400, "Invalid Offset Arguments"},
		{"con", "POST", pathBilling + ":modifyOffset", `{}`, 400, "Invalid Offset Arguments"},
		{"con", "GET", pathBilling + ":timeToOffset?time=2026-03-01T12:00:00.123Z", "", 200, `{"offset":7}`},
		{"con", "GET", pathBilling + ":timeToOffset?time=2026-03-01%2012:00:00.000Z", "", 200, `{"offset":7}`},
		{"con", "GET", pathBilling + ":timeToOffset?time=yesterday", "", 400, "Time is not in valid Zulu format."},
		{"con", "POST", pathBilling + ":modifyAckDeadline", `{"ackDeadlineSeconds":601}`, 400, "Invalid ackDeadlineSeconds(needs value between 0 and 600) Arguments"},
		{"con", "POST", pathBilling + ":modifyAckDeadline", `{}`, 400, "between 0 and 600"},
		{"con", "POST", pathBilling + ":modifyAckDeadline", `{"ackDeadlineSeconds":60}`, 200, ``},
	} {
		got := s.as(tt.who, tt.method, tt.path, tt.body)
		if tt.code == http.StatusOK {
			if got.code != tt.code || strings.TrimSpace(got.text) != tt.want {
				t.Errorf("%s %s %.80s: %d %s, want %s", tt.method, tt.path, tt.body, got.code, got.text, tt.want)
			}
			continue
		}
		if got.code != tt.code || !strings.Contains(got.text, tt.want) {
			t.Errorf("%s %s %.80s: %d %s, want %d %s", tt.method, tt.path, tt.body, got.code, got.text, tt.code, tt.want)
		}
		_ = got.error(t)
	}
	if store.stored[0].Attributes["k"] != "v" || string(store.stored[0].Data) != "hi" || string(store.stored[1].Data) != "k\xff" {
		t.Errorf("stored %+v", store.stored)
	}
	if sub, _ := s.store.Snapshot().Subscription("shop", "billing"); sub.AckDeadline != 60 {
		t.Errorf("the ack deadline is %d", sub.AckDeadline)
	}
	for _, c := range s.changes() {
		if strings.HasSuffix(c.Action, "publish") || strings.HasSuffix(c.Action, "pull") || strings.HasSuffix(c.Action, "acknowledge") {
			t.Errorf("audited %+v", c)
		}
	}
}

// A message is acknowledged by the id that its pull returned, by nothing else, and only until
// the ack deadline.
//
// Attack: a user acknowledges messages of another subscription or project, with an ack id that it has seen, changed or made up
// Held by: an ack id is signed with the project, the subscription and the delivery
func TestAckIDs(t *testing.T) {
	s, store := startMessages(t, nil)
	for _, body := range []string{`{"messages":[{"data":"YQ=="},{"data":"Yg=="}]}`} {
		if got := s.as("pub", "POST", pathOrders+":publish", body); got.code != 200 {
			t.Fatal(got.text)
		}
	}
	ack := func(who, path string, ids ...string) response {
		body, _ := json.Marshal(wire.Acknowledge{AckIDs: ids})
		return s.as(who, "POST", path+":acknowledge", string(body))
	}
	pulled := decode[wire.ReceivedMessages](t, s.as("con", "POST", pathBilling+":pull", `{"maxMessages":"10"}`)).ReceivedMessages
	if len(pulled) != 2 || pulled[0].Message.Data != "YQ==" || pulled[0].Message.MessageID != "1" || !pulled[0].Message.PublishTime.Equal(startTime) {
		t.Fatalf("pulled %+v", pulled)
	}
	if empty := s.as("con", "POST", pathBilling+":pull", ``); strings.TrimSpace(empty.text) != `{"receivedMessages":[]}` {
		t.Errorf("an empty pull: %s", empty.text)
	}
	id := pulled[0].AckID
	forged := []byte(id)
	forged[len(forged)/2] ^= 1
	for what, got := range map[string]response{
		"another subscription": ack("root", "/v1/projects/shop/subscriptions/audit", id),
		"another project":      ack("root", "/v1/projects/lab/subscriptions/billing", id),
		"changed":              ack("con", pathBilling, string(forged)),
		"longer":               ack("con", pathBilling, id+"A"),
		"one of several":       ack("con", pathBilling, pulled[1].AckID, string(forged)),
		"none":                 ack("con", pathBilling, ""),
	} {
		if e := got.error(t); got.code != http.StatusRequestTimeout || e.Message != "ack timeout" || e.Status != "TIMEOUT" {
			t.Errorf("%s: %d %s", what, got.code, got.text)
		}
	}
	if n := len(store.acked["shop/billing"]); n > 0 {
		t.Fatalf("%d are acknowledged", n)
	}
	if got := ack("con", pathBilling, id, id); got.code != 200 || !slices.Equal(store.acked["shop/billing"], []uint64{1}) {
		t.Errorf("%d %s, acknowledged %v", got.code, got.text, store.acked)
	}
	s.now.Add(11) // the ack deadline is 10 s
	if got := ack("con", pathBilling, pulled[1].AckID); got.code != http.StatusRequestTimeout {
		t.Errorf("late: %d %s", got.code, got.text)
	}
	if strings.Contains(s.logged(), id) {
		t.Error("the log has an ack id")
	}
}

// The same request with an idempotency key stores its messages once; nobody else's key does.
//
// Attack: a publisher sends a message with the idempotency key of another one, so that the other's message is taken for a duplicate
// Held by: the message ID is made of project, topic, caller and key
func TestIdempotency(t *testing.T) {
	s, store := startMessages(t, nil)
	publish := func(who, path, key string) string {
		got := s.as(who, "POST", path+":publish", `{"messages":[{"data":"YQ=="},{"data":"YQ=="}]}`, "Idempotency-Key", key)
		return strings.TrimSpace(got.text)
	}
	first := publish("pub", pathOrders, "k")
	if again := publish("pub", pathOrders, "k"); again != first || first != `{"messageIds":["1","2"]}` {
		t.Errorf("%s, then %s", first, again)
	}
	for what, got := range map[string]string{
		"another key":    publish("pub", pathOrders, "k2"),
		"another caller": publish("root", pathOrders, "k"),
		"another topic":  publish("root", "/v1/projects/shop/topics/returns", "k"),
		"a service":      publish("svc-admin", pathOrders, "k"),
		"no key":         publish("pub", pathOrders, ""),
	} {
		if got == first || !strings.Contains(got, "messageIds") {
			t.Errorf("%s: %s", what, got)
		}
	}
	if len(store.stored) != 12 {
		t.Errorf("%d are stored", len(store.stored))
	}
	if got := s.as("pub", "POST", pathOrders+":publish", `{}`, "Idempotency-Key", strings.Repeat("k", 300)); got.code != 400 {
		t.Errorf("a long key: %d", got.code)
	}
}

// A pull that waits gets what comes, and its messages go back if the caller has lost its role
// meanwhile.
func TestPullWaits(t *testing.T) {
	s, store := startMessages(t, nil)
	pull := func() chan response {
		done := make(chan response, 1)
		go func() {
			done <- s.as("con", "POST", pathBilling+":pull", `{"maxMessages":10,"returnImmediately":false}`)
		}()
		<-store.arrived
		return done
	}
	waits := pull()
	s.as("pub", "POST", pathOrders+":publish", `{"messages":[{"data":"YQ=="}]}`)
	if got := decode[wire.ReceivedMessages](t, <-waits); len(got.ReceivedMessages) != 1 {
		t.Errorf("got %+v", got)
	}
	waits = pull()
	s.root(200, "POST", pathBilling+":modifyAcl", `{"authorized_users":[]}`)
	s.as("root", "POST", pathOrders+":publish", `{"messages":[{"data":"YQ=="}]}`)
	if got := <-waits; got.code != http.StatusForbidden || store.returned != 1 {
		t.Errorf("%d %s, %d returned", got.code, got.text, store.returned)
	}
}

// Above the limits a request is refused with 429, and other projects go on.
func TestMessageLimits(t *testing.T) {
	s, store := startMessages(t, func(c *api.Config) {
		c.MessageMemory = 64 << 10
		c.MessageLimits = messages.Limits{KeyRequests: 2, KeyPolls: 1}
	})
	big := `{"messages":[{"data":"` + strings.Repeat("QUFB", 10<<10) + `"}]}`
	if got := s.as("pub", "POST", pathOrders+":publish", big); got.code != http.StatusTooManyRequests || got.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.code, got.text)
	}
	const poll = `{"returnImmediately":"false"}`
	first := make(chan response, 1)
	go func() { first <- s.as("con", "POST", pathBilling+":pull", poll) }()
	<-store.arrived
	if got := s.as("con", "POST", pathBilling+":pull", poll); got.code != http.StatusTooManyRequests {
		t.Errorf("another poll of the key: %d %s", got.code, got.text)
	}
	if got := s.as("lab-con", "POST", "/v1/projects/lab/subscriptions/billing:pull", `{}`); got.code != 200 {
		t.Errorf("another project: %d %s", got.code, got.text)
	}
	s.as("pub", "POST", pathOrders+":publish", `{"messages":[{"data":"YQ=="}]}`)
	if got := <-first; got.code != 200 {
		t.Errorf("the poll: %d %s", got.code, got.text)
	}
	for range 5 { // everything was given back
		if got := s.as("con", "POST", pathBilling+":pull", `{}`); got.code != 200 {
			t.Errorf("%d %s", got.code, got.text)
		}
	}
}

// The pulls that wait of one project, with however many keys, leave room to other projects.
func TestPollShares(t *testing.T) {
	s, store := startMessages(t, func(c *api.Config) { c.MessageLimits = messages.Limits{HostPolls: 4} })
	const pathLab = "/v1/projects/lab/subscriptions/billing"
	polls := make(chan response, 3)
	waits := func(who, path string) {
		go func() { polls <- s.as(who, "POST", path+":pull", `{"maxMessages":1,"returnImmediately":"false"}`) }()
		<-store.arrived
	}
	refused := func(who, path string) {
		t.Helper()
		if got := s.as(who, "POST", path+":pull", `{"returnImmediately":"false"}`); got.code != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", who, got.code, got.text)
		}
	}
	waits("con", pathBilling)
	waits("admin", pathBilling)
	refused("root", pathBilling)
	waits("lab-con", pathLab)
	refused("root", pathLab)
	for _, project := range []string{"shop", "lab"} {
		s.as("root", "POST", "/v1/projects/"+project+"/topics/orders:publish", `{"messages":[{"data":"YQ=="},{"data":"YQ=="}]}`)
	}
	for range cap(polls) {
		if got := <-polls; got.code != http.StatusOK {
			t.Errorf("%d %s", got.code, got.text)
		}
	}
}

// Attributes count when they are pulled, as when they are published: what does not fit goes back.
func TestPulledAttributesTakeMemory(t *testing.T) {
	s, store := startMessages(t, func(c *api.Config) { c.MessageMemory = 64 << 10 })
	many := map[string]string{}
	for i := range 200 {
		many[strconv.Itoa(i)] = ""
	}
	pull := func(number string) response {
		return s.as("con", "POST", pathBilling+":pull", `{"maxMessages":`+number+`}`)
	}
	store.mu.Lock()
	for range 3 { // as if published over NATS
		store.stored = append(store.stored, messages.Message{ID: "1", Attributes: many})
	}
	store.mu.Unlock()
	if got := pull("2"); got.code != http.StatusTooManyRequests || got.Get("Retry-After") == "" || store.returned != 2 {
		t.Errorf("%d %s, %d returned", got.code, got.text, store.returned)
	}
	if got := pull("1"); got.code != http.StatusOK || !strings.Contains(got.text, `"199"`) {
		t.Errorf("nobody gets past a large message: %d %s", got.code, got.text)
	}
}

// What the store says becomes a documented error.
func TestMessagesUnavailable(t *testing.T) {
	s, store := startMessages(t, nil)
	for _, tt := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("%w: x", messages.ErrNoStream), http.StatusConflict},
		{messages.ErrNoConsumer, http.StatusConflict},
		{messages.ErrFull, http.StatusInsufficientStorage},
		{messages.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{messages.ErrAckTimeout, http.StatusRequestTimeout},
		{messages.ErrOffset, http.StatusBadRequest},
		{messages.ErrBusy, http.StatusTooManyRequests},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		store.fail = tt.err
		got := s.as("root", "POST", pathOrders+":publish", `{"messages":[{"data":""}]}`)
		if _ = got.error(t); got.code != tt.code || got.code == http.StatusServiceUnavailable && got.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", tt.err, got.code, got.text)
		}
	}
	s = start(t, newMemory(), nil)
	if got := s.as("pub", "POST", pathOrders+":publish", `{"messages":[]}`); got.code != http.StatusConflict || !strings.Contains(got.text, "api.messages") {
		t.Errorf("without messages: %d %s", got.code, got.text)
	}
}

// A service token acts with its role and no user; the audit has its name.
func TestServiceTokens(t *testing.T) {
	s, _ := startMessages(t, nil)
	if got := s.as("svc-admin", "POST", "/v1/users/new", `{}`); got.code != 200 {
		t.Fatalf("%d %s", got.code, got.text)
	}
	s.responses = nil // with the key
	if c := s.lastChange(); c.Actor != "service:svc-admin" {
		t.Errorf("audited %+v", c)
	}
	profile := decode[wire.User](t, s.as("svc-worker", "GET", "/v1/users/profile", ""))
	byToken := decode[wire.User](t, s.as("svc-worker", "GET", "/v1/users:byToken/"+serviceToken("svc-worker"), ""))
	if profile.Name != "service:svc-worker" || byToken.Name != profile.Name || !slices.Equal(profile.ServiceRoles, []string{"push_worker"}) {
		t.Errorf("%+v, %+v", profile, byToken)
	}
	if u := decode[wire.User](t, s.as("worker", "GET", "/v1/users:byToken/"+s.keys["con"], "")); u.Name != "con" {
		t.Errorf("got %+v", u)
	}
	if got := s.as("svc-worker", "GET", "/v1/users:byToken/none", ""); got.code != 404 {
		t.Errorf("got %d %s", got.code, got.text)
	}
	for path, want := range map[string]int{"/v1/users": 403, "/v1/projects": 403, "/v1/projects/shop/topics": 403} {
		if got := s.as("svc-worker", "GET", path, ""); got.code != want {
			t.Errorf("%s: %d", path, got.code)
		}
	}
	s.noSecrets()
}

// admin_viewer reads what service_admin reads, but for the export, and changes nothing.
func TestViewer(t *testing.T) {
	s, _ := startMessages(t, nil)
	names := strings.NewReplacer("{project}", "shop", "{user}", "pub", "{topic}", "orders", "{subscription}", "billing", "{key}", "default", "{uuid}", directory.IDOf(directory.KindUser, "pub").String(), "{session}", "N:1", "{ban}", "none", "{token}", "none")
	for _, rt := range api.Routes() {
		if rt.Access.Open || rt.Access.AnyKey || rt.Form != nil {
			continue
		}
		reads := rt.Method == http.MethodGet && rt.Name != "directory.export" && rt.Name != "user.by_token"
		for _, who := range []string{"viewer", "svc-viewer"} {
			got := s.as(who, rt.Method, names.Replace(rt.Path), "")
			if reads == (got.code == http.StatusForbidden) {
				t.Errorf("%s: %s gets %d %s", rt.Name, who, got.code, got.text)
			}
			if root := s.as("root", http.MethodGet, names.Replace(rt.Path), ""); reads && (root.code != got.code || root.code == 200 && root.text != got.text) {
				t.Errorf("%s: %s gets %s, root %s", rt.Name, who, got.text, root.text)
			}
		}
	}
}

// The metrics have AMS's names and shape.
func TestMessageMetrics(t *testing.T) {
	s, _ := startMessages(t, nil)
	for path, want := range map[string]map[string]any{
		"/v1/projects/shop": {"project.number_of_topics": 2.0, "project.number_of_subscriptions": 2.0, "project.user.number_of_topics": 0.0},
		pathOrders:          {"topic.number_of_subscriptions": 2.0, "topic.number_of_messages": 10.0, "topic.number_of_bytes": 42.0, "topic.oldest_message": "2026-03-01T12:00:00Z"},
		pathBilling:         {"subscription.number_of_messages": 8.0, "subscription.number_of_pending_messages": 2.0},
	} {
		l := decode[wire.MetricList](t, s.as("admin", "GET", path+":metrics", ""))
		got := map[string]any{}
		for _, m := range l.Metrics {
			if len(m.Timeseries) != 1 || m.Description == "" || m.ResourceName == "" {
				t.Errorf("%+v", m)
			}
			if m.ResourceName != "shop.pub" {
				got[m.Metric] = m.Timeseries[0].Value
			}
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, want %v", path, name, got[name], value)
			}
		}
	}
}
