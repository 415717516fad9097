package setup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/issuer/operator"
)

// The user for sessions may do what usher needs for live sessions, and nothing else, in both
// modes.
//
// Attack: the credentials with which usher closes connections change a server, or read messages of clients
// Held by: the user that usher init makes may list and close connections, and nothing else
func TestSessionsUser(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]bool{"config": false, "operator": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := apptest.NewSite(t, func(o *setup.Options) { o.Operator = mode })
			in.NatsServer(t)
			cfg, err := config.Load(in.Config())
			callouttest.Must(t, err)
			opts, err := natsconn.SessionsOptions(cfg)
			callouttest.Must(t, err)
			refused := make(chan error, 16)
			nc := apptest.Connected(t, in.URL, append(opts, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))...)
			if _, err := nc.Request("$SYS.REQ.SERVER.PING.CONNZ", []byte(`{"auth":true}`), 10*time.Second); err != nil {
				t.Errorf("CONNZ: %v", err)
			}
			_, subscribe := operator.SessionSubjects()
			for _, subject := range subscribe {
				_, err := nc.SubscribeSync(subject)
				callouttest.Must(t, err)
			}
			callouttest.Must(t, nc.Flush())
			if len(refused) > 0 {
				t.Fatalf("refused: %v", <-refused)
			}
			for _, subject := range []string{"$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.X.RELOAD", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.X.LDM", "x"} {
				callouttest.Must(t, nc.Publish(subject, nil))
				callouttest.Must(t, nc.Flush())
				expectRefused(t, "publishing to "+subject, refused)
			}
			for _, subject := range []string{"_INBOX.>", ">", "$SYS.>", "$SYS.REQ.>"} {
				_, err := nc.SubscribeSync(subject)
				callouttest.Must(t, err)
				callouttest.Must(t, nc.Flush())
				expectRefused(t, "subscribing to "+subject, refused)
			}
		})
	}
}

// expectRefused waits until the server has said that something is not allowed.
func expectRefused(t *testing.T, what string, refused <-chan error) {
	t.Helper()
	callouttest.Eventually(t, what+" is refused", func() bool { return len(refused) > 0 })
	if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("%s: %v", what, err)
	}
}
