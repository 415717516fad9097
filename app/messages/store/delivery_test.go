package store

import (
	"testing"
	"time"

	"usher/api/messages"
	"usher/directory"
)

func TestParseDelivery(t *testing.T) {
	t.Parallel()
	at := time.Unix(99, 0)
	want := messages.Delivery{Count: 2, Stream: 30, Consumer: 4, Timestamp: 1790000000000000000, At: at}
	for _, reply := range []string{
		"$JS.ACK.P.S.2.30.4.1790000000000000000.5",
		"$JS.ACK._.hash.P.S.2.30.4.1790000000000000000.5",
		"$JS.ACK.hub.hash.P.S.2.30.4.1790000000000000000.5.random",
	} {
		if got, ok := parseDelivery(reply, "P", "S", at); !ok || got != want {
			t.Errorf("%s: %+v, %t", reply, got, ok)
		}
	}
	for _, reply := range []string{
		"", "x", "$JS.ACK.P.S", "$JS.ACK.P.S.2.30.4", "$JS.ACK.P.S.2.30.4.-1.5", "$JS.ACK.P.S.a.30.4.1.5",
		"$JS.ACK.Q.S.2.30.4.1790000000000000000.5", "$JS.ACK.P.T.2.30.4.1790000000000000000.5",
		"$JS.ACK._.hash.P.T.2.30.4.1790000000000000000.5", "$JS.ACK.P.S.99999999999999999999.30.4.1.5",
	} {
		if got, ok := parseDelivery(reply, "P", "S", at); ok {
			t.Errorf("%s: %+v", reply, got)
		}
	}
}

func FuzzParseDelivery(f *testing.F) {
	f.Add("$JS.ACK.P.S.2.30.4.1790000000000000000.5")
	f.Add("$JS.ACK._.hash.P.S.2.30.4.1790000000000000000.5.x")
	ref := messages.SubscriptionRef{Project: &directory.Project{Name: "P"}, Subscription: &directory.Subscription{Name: "S"}}
	f.Fuzz(func(t *testing.T, reply string) {
		d, ok := parseDelivery(reply, "P", "S", time.Time{})
		if !ok {
			return
		}
		if again, ok := parseDelivery(AckSubject(ref, d), "P", "S", time.Time{}); !ok || again.Stream != d.Stream || again.Consumer != d.Consumer || again.Count != d.Count {
			t.Errorf("%+v became %+v", d, again)
		}
	})
}

func FuzzReadPlainAck(f *testing.F) {
	f.Add([]byte(`{"stream":"P","seq":12}`))
	f.Add([]byte(`{"stream":"P", "seq":12}`))
	f.Add([]byte(`{"stream":"P","seq":12,"duplicate":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, ok := readPlainAck(text, "P"); ok && n == 0 {
			t.Errorf("%q has no sequence", text)
		}
	})
}
