package messagestest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/directory"
)

// A message of a NATS client and one over HTTP are the same: publishers and subscribers meet
// four ways, in both modes, with their data and attributes.
func TestFourWays(t *testing.T) {
	t.Parallel()
	for name, operator := range map[string]bool{"config mode": false, "operator mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := messagestest.Start(t, messagestest.Config{Operator: operator})
			s.Project(t, "shop")
			pub := s.Member(t, "shop", "pub", directory.RolePublisher)
			con := s.Member(t, "shop", "con", directory.RoleConsumer)
			s.Topic(t, "shop", "orders", "pub")
			for _, sub := range []string{"http", "nats"} {
				s.Subscription(t, "shop", sub, "orders", "con")
			}
			publishers := map[string]func(data string){
				"HTTP": func(data string) {
					body := fmt.Sprintf(`{"messages":[{"attributes":{"from":"x y"},"data":%q}]}`, base64.StdEncoding.EncodeToString([]byte(data)))
					if status, answer := s.Do(t, pub, "POST", "/v1/projects/shop/topics/orders:publish", body); status != 200 {
						t.Fatalf("publish: %d %s", status, answer)
					}
				},
				"NATS": func(data string) {
					js, err := jetstream.New(s.Connect(t, "pub", pub))
					callouttest.Must(t, err)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					_, err = js.PublishMsg(ctx, &nats.Msg{Subject: "shop.orders", Data: []byte(data), Header: nats.Header{"from": {"x y"}}})
					callouttest.Must(t, err)
				},
			}
			for _, by := range slices.Sorted(maps.Keys(publishers)) {
				publishers[by]("by " + by)
			}
			want := []string{"by HTTP from x y", "by NATS from x y"}
			if got := pullHTTP(t, s, con, len(want)); !slices.Equal(got, want) {
				t.Errorf("over HTTP: %q", got)
			}
			if got := pullNATS(t, s, con, len(want)); !slices.Equal(got, want) {
				t.Errorf("over NATS: %q", got)
			}
			if got := pullHTTP(t, s, con, 0); len(got) != 0 {
				t.Errorf("acknowledged, and delivered again: %q", got)
			}
		})
	}
}

// pullHTTP pulls and acknowledges n messages over HTTP; 0: whatever is there.
func pullHTTP(t *testing.T, s *messagestest.Site, key string, n int) (all []string) {
	t.Helper()
	const sub = "/v1/projects/shop/subscriptions/http"
	pull := func() int {
		status, answer := s.Do(t, key, "POST", sub+":pull", `{"maxMessages":"10","returnImmediately":"true"}`)
		if status != 200 {
			t.Fatalf("pull: %d %s", status, answer)
		}
		var got struct {
			ReceivedMessages []struct {
				AckID   string `json:"ackId"`
				Message struct {
					Data       []byte            `json:"data"`
					Attributes map[string]string `json:"attributes"`
				} `json:"message"`
			} `json:"receivedMessages"`
		}
		callouttest.Must(t, json.Unmarshal([]byte(answer), &got))
		for _, m := range got.ReceivedMessages {
			all = append(all, string(m.Message.Data)+" from "+m.Message.Attributes["from"])
			if status, answer := s.Do(t, key, "POST", sub+":acknowledge", fmt.Sprintf(`{"ackIds":[%q]}`, m.AckID)); status != 200 {
				t.Fatalf("acknowledge: %d %s", status, answer)
			}
		}
		return len(all)
	}
	if n == 0 {
		pull()
		return all
	}
	callouttest.Eventually(t, "all messages were pulled", func() bool { return pull() >= n })
	return all
}

// pullNATS is pullHTTP with nats.go.
func pullNATS(t *testing.T, s *messagestest.Site, key string, n int) (all []string) {
	t.Helper()
	js, err := jetstream.New(s.Connect(t, "con", key))
	callouttest.Must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	consumer, err := js.Consumer(ctx, "shop", "nats")
	callouttest.Must(t, err)
	for range n {
		m, err := consumer.Next(jetstream.FetchContext(ctx))
		callouttest.Must(t, err)
		all = append(all, string(m.Data())+" from "+m.Headers().Get("from"))
		callouttest.Must(t, m.Ack())
	}
	return all
}
