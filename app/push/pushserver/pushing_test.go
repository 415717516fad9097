package pushserver_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	apipush "usher/api/push"
	"usher/app/push"
	"usher/app/push/pushpb"
	"usher/callout/callouttest"
)

// Messages of an Argo Messaging Service reach the endpoint of a subscription that it
// activated over gRPC, in order and with the header, and are acknowledged there.
func TestPushesForMessagingService(t *testing.T) {
	s := newSite(t)
	const name = "/projects/p/subscriptions/s"
	s.ams.set(func() {
		s.ams.subs[name] = &queue{config: `{}`, messages: [][]byte{[]byte("one"), []byte("two"), []byte("three")}}
	})
	callouttest.Must(t, s.active.Load(t.Context()))
	var mu sync.Mutex
	var got []string
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Message struct {
				ID string `json:"messageId"`
			} `json:"message"`
			Subscription string `json:"subscription"`
		}
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &in) != nil || in.Subscription != name || r.Header.Get("Authorization") != "secret" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, in.Message.ID)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	worker, err := push.New(push.Config{
		Client: receiver.Client(), Timeout: 10 * time.Second, Concurrency: 4, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	callouttest.Must(t, err)
	t.Cleanup(func() { worker.Close(t.Context()) })
	request := activation("s")
	request.Subscription.PushConfig.PushEndpoint = receiver.URL + "/path"
	request.Subscription.PushConfig.AuthorizationHeader = "secret"
	request.Subscription.PushConfig.RetryPolicy.Period = 1
	_, err = s.good(t).ActivateSubscription(t.Context(), request)
	callouttest.Must(t, err)
	var subs []push.Subscription
	for _, sub := range s.active.List() {
		subs = append(subs, *sub)
	}
	worker.Set(subs)
	callouttest.Eventually(t, "all messages are acknowledged", func() bool { return s.ams.acknowledged(name) == 3 })
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 3 || got[0] != "0" || got[1] != "1" || got[2] != "2" {
		t.Errorf("received %v", got)
	}
	if state, ok := worker.State(subs[0].ID); !ok || state.Status != apipush.StatusActive {
		t.Errorf("state %+v", state)
	}
	_, err = s.good(t).DeactivateSubscription(t.Context(), &pushpb.DeactivateSubscriptionRequest{FullName: name})
	callouttest.Must(t, err)
}
