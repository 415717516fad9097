package messagestest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/api/wire"
	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/directory"
)

// project is the API below one project, as one caller.
type project struct {
	*messagestest.Site
	name, key string
}

// do sends a request, and fails unless the status is want.
func (p *project) do(t *testing.T, want int, method, path, body string) string {
	t.Helper()
	code, text := p.Do(t, p.key, method, "/v1/projects/"+p.name+"/"+path, body)
	if code != want {
		t.Errorf("%s %s %.100s: %d %s, expected %d", method, path, body, code, text, want)
	} else if code != http.StatusOK {
		checkError(t, code, text)
	}
	return text
}

// pull pulls until exactly n messages have come.
func (p *project) pull(t *testing.T, sub string, n int) (all []wire.ReceivedMessage) {
	t.Helper()
	callouttest.Eventually(t, fmt.Sprintf("%d messages of %s come", n, sub), func() bool {
		var got wire.ReceivedMessages
		callouttest.Must(t, json.Unmarshal([]byte(p.do(t, 200, "POST", "subscriptions/"+sub+":pull", fmt.Sprintf(`{"maxMessages":"%d"}`, n-len(all)))), &got))
		all = append(all, got.ReceivedMessages...)
		return len(all) == n
	})
	return all
}

// ack acknowledges, and fails unless the status is want.
func (p *project) ack(t *testing.T, want int, sub string, ids ...string) {
	t.Helper()
	body, err := json.Marshal(wire.Acknowledge{AckIDs: ids})
	callouttest.Must(t, err)
	if text := p.do(t, want, "POST", "subscriptions/"+sub+":acknowledge", string(body)); want != 200 && !strings.Contains(text, `"ack timeout"`) {
		t.Errorf("the error is %s", text)
	}
}

func (p *project) publish(t *testing.T, topic string, n int) {
	t.Helper()
	p.do(t, 200, "POST", "topics/"+topic+":publish", `{"messages":[`+strings.Repeat(`{"data":"aGk="},`, n-1)+`{"data":"aGk="}]}`)
}

func (p *project) offsets(t *testing.T, sub string, want wire.Offsets) {
	t.Helper()
	var got wire.Offsets
	callouttest.Must(t, json.Unmarshal([]byte(p.do(t, 200, "GET", "subscriptions/"+sub+":offsets", "")), &got))
	if got != want {
		t.Errorf("the offsets of %s are %+v, expected %+v", sub, got, want)
	}
}

// metrics returns the values of metrics by their names.
func (p *project) metrics(t *testing.T, path string) map[string]any {
	t.Helper()
	var list wire.MetricList
	callouttest.Must(t, json.Unmarshal([]byte(p.do(t, 200, "GET", path+":metrics", "")), &list))
	all := map[string]any{}
	for _, m := range list.Metrics {
		all[strings.TrimPrefix(m.Metric, m.ResourceType+".")] = m.Timeseries[0].Value
	}
	return all
}

// Against a real JetStream, an ack id is good for the subscription that it came from, until its
// ack deadline, and nothing else is; a subscription moves to where its stream has an offset, and
// nowhere else; and offsets and metrics tell what has happened.
func TestPositions(t *testing.T) {
	t.Parallel()
	s := messagestest.Start(t, messagestest.Config{})
	for _, name := range []string{"shop", "lab"} {
		s.Project(t, name)
		s.Topic(t, name, "orders")
		s.Topic(t, name, "returns")
		s.Subscription(t, name, "billing", "orders")
		s.Subscription(t, name, "audit", "orders")
		for _, sub := range []string{"billing", "audit"} { // no id gets too old on a busy machine
			(&project{s, name, s.AdminKey()}).do(t, 200, "POST", "subscriptions/"+sub+":modifyAckDeadline", `{"ackDeadlineSeconds":600}`)
		}
	}
	shop, lab := &project{s, "shop", s.Member(t, "shop", "boss", directory.RoleProjectAdmin)}, &project{s, "lab", s.AdminKey()}
	shop.publish(t, "orders", 4)
	shop.publish(t, "returns", 2)
	lab.publish(t, "orders", 4)
	got := shop.pull(t, "billing", 2)
	lab.pull(t, "billing", 2)
	shop.pull(t, "audit", 2)
	first, second := got[0].AckID, got[1].AckID

	changed := []byte(first)
	changed[len(changed)/2] ^= 1
	for _, id := range []string{string(changed), first + "A", first[:len(first)-1], "", " " + first, strings.Repeat("A", 10_000), "projects/shop/subscriptions/billing:0", "$JS.ACK.shop.billing.1.1.1.1.1"} {
		shop.ack(t, 408, "billing", id)
		shop.ack(t, 408, "billing", first, id) // and the good one is not acknowledged
	}
	shop.ack(t, 408, "audit", first)
	lab.ack(t, 408, "billing", first)
	shop.offsets(t, "billing", wire.Offsets{Min: 1, Max: 7, Current: 1})
	shop.offsets(t, "audit", wire.Offsets{Min: 1, Max: 7, Current: 1})
	lab.offsets(t, "billing", wire.Offsets{Min: 1, Max: 5, Current: 1})
	shop.ack(t, 200, "billing", first, first)
	shop.offsets(t, "billing", wire.Offsets{Min: 1, Max: 7, Current: 2})
	shop.ack(t, 200, "billing", second)
	shop.ack(t, 200, "billing", second) // an answer that was lost is asked for again
	expect := func(what string, got, want map[string]any) {
		t.Helper()
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, expected %v", what, name, got[name], value)
			}
		}
	}
	expect("subscription", shop.metrics(t, "subscriptions/billing"), map[string]any{
		"number_of_messages": 2.0, "number_of_pending_messages": 2.0, "number_of_unacknowledged_messages": 0.0, "number_of_redelivered_messages": 0.0,
	})
	expect("another subscription", shop.metrics(t, "subscriptions/audit"), map[string]any{
		"number_of_messages": 0.0, "number_of_pending_messages": 2.0, "number_of_unacknowledged_messages": 2.0, "last_acknowledgement": nil,
	})
	topic := shop.metrics(t, "topics/orders")
	expect("topic", topic, map[string]any{"number_of_subscriptions": 2.0, "number_of_messages": 4.0, "number_of_stored_messages": 4.0, "oldest_message": got[0].Message.PublishTime.Format(time.RFC3339Nano)})
	other := shop.metrics(t, "topics/returns")
	expect("another topic", other, map[string]any{"number_of_subscriptions": 0.0, "number_of_messages": 2.0, "number_of_stored_messages": 2.0})
	if a, b := topic["number_of_bytes"].(float64), other["number_of_bytes"].(float64); b < 1 || a <= b {
		t.Errorf("%v and %v bytes", a, b)
	}
	if code, text := s.Do(t, shop.key, "GET", "/v1/projects/shop:metrics", ""); code != 200 || !strings.Contains(text, "project.user.number_of_topics") {
		t.Errorf("%d %s", code, text)
	}

	for _, bad := range []string{"-1", "0", "8", "9223372036854775807", "18446744073709551616", "1.5", "1e3", `"5"`, "null", "[1]", "{}"} {
		shop.do(t, 400, "POST", "subscriptions/billing:modifyOffset", `{"offset":`+bad+`}`)
	}
	shop.offsets(t, "billing", wire.Offsets{Min: 1, Max: 7, Current: 3})
	shop.do(t, 200, "POST", "subscriptions/billing:modifyOffset", `{"offset":7}`)
	shop.offsets(t, "billing", wire.Offsets{Min: 1, Max: 7, Current: 7})
	shop.do(t, 200, "POST", "subscriptions/billing:modifyOffset", `{"offset":4}`)
	moved := shop.pull(t, "billing", 1)
	shop.do(t, 200, "POST", "subscriptions/billing:modifyOffset", `{"offset":1}`)
	shop.ack(t, 408, "billing", moved[0].AckID) // it is not out any more
	shop.offsets(t, "billing", wire.Offsets{Min: 1, Max: 7, Current: 1})
	late(t, shop)
}

// late: an id is refused after its deadline, when the message is out again, and acknowledges
// nothing.
func late(t *testing.T, shop *project) {
	t.Helper()
	shop.do(t, 200, "PUT", "subscriptions/brief", `{"topic":"projects/shop/topics/orders","ackDeadlineSeconds":1}`)
	shop.publish(t, "orders", 1)
	old := shop.pull(t, "brief", 1)
	pulled := time.Now()
	callouttest.Eventually(t, "the ack deadline has passed", func() bool { return time.Since(pulled) > time.Second })
	shop.ack(t, 408, "brief", old[0].AckID)
	again := shop.pull(t, "brief", 1)
	if again[0].Message.MessageID != old[0].Message.MessageID || again[0].AckID == old[0].AckID {
		t.Errorf("got %+v, and before that %+v", again, old)
	}
	if out := shop.metrics(t, "subscriptions/brief")["number_of_messages"]; out != 0.0 {
		t.Errorf("%v messages are consumed", out)
	}
	shop.do(t, 200, "POST", "subscriptions/brief:modifyAckDeadline", `{"ackDeadlineSeconds":600}`)
	shop.ack(t, 200, "brief", again[0].AckID)
}
