package issuer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// serverWithUserJWT starts a nats-server whose auth callout is answered with the user
// JWT that change edits. Only jwt/v2 encodes and signs it.
func serverWithUserJWT(t *testing.T, change func(*jwt.UserClaims)) string {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	must(t, err)
	public, err := kp.PublicKey()
	must(t, err)
	app, auth := server.NewAccount("APP"), server.NewAccount("AUTH")
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
		Websocket:   server.WebsocketOpts{Host: "127.0.0.1", Port: -1, NoTLS: true},
		Accounts:    []*server.Account{app, auth},
		Users:       []*server.User{{Username: "usher", Password: "p", Account: auth}},
		AuthCallout: &server.AuthCallout{Issuer: public, Account: "AUTH", AuthUsers: []string{"usher"}},
	})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("nats-server did not become ready")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("usher", "p"))
	must(t, err)
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe("$SYS.REQ.USER.AUTH", func(m *nats.Msg) {
		request, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
		if err != nil {
			t.Error(err)
			return
		}
		uc := jwt.NewUserClaims(request.UserNkey)
		uc.Name, uc.Audience = "u", "APP"
		change(uc)
		user, err := uc.Encode(kp)
		if err != nil {
			t.Error(err)
			return
		}
		rc := jwt.NewAuthorizationResponseClaims(request.UserNkey)
		rc.Audience, rc.Jwt = request.Server.ID, user
		response, err := rc.Encode(kp)
		if err != nil || m.Respond([]byte(response)) != nil {
			t.Error("no answer", err)
		}
	})
	must(t, err)
	must(t, nc.Flush())
	return s.ClientURL()
}

// The design depends on what nats-server 2.15 enforces of the user JWT of an auth
// callout, and on what it ignores. If a test of "ignores" fails, the server has begun
// to enforce that, and usher may set it.
func TestServerIgnoresLimits(t *testing.T) {
	nc, err := nats.Connect(serverWithUserJWT(t, func(uc *jwt.UserClaims) {
		uc.Limits = jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: 1, Payload: 10, Data: 10}}
	}), nats.Token("x"))
	must(t, err)
	defer nc.Close()
	for range 3 {
		_, err := nc.SubscribeSync("a")
		must(t, err)
	}
	must(t, nc.Publish("a", make([]byte, 100)))
	must(t, nc.Flush())
	if err := nc.LastError(); err != nil || nc.MaxPayload() < 1000 {
		t.Errorf("the server enforces the limits: %v, max payload %d", err, nc.MaxPayload())
	}
}

func TestServerIgnoresNetworks(t *testing.T) {
	nc, err := nats.Connect(serverWithUserJWT(t, func(uc *jwt.UserClaims) { uc.Src = []string{"192.0.2.0/24"} }), nats.Token("x"))
	if err != nil {
		t.Fatalf("the server enforces src: %v", err)
	}
	nc.Close()
}

func TestServerEnforcesTimes(t *testing.T) {
	clock := func(d time.Duration) string { return time.Now().UTC().Add(d).Format(time.TimeOnly) }
	nc, err := nats.Connect(serverWithUserJWT(t, func(uc *jwt.UserClaims) {
		uc.Times, uc.Locale = []jwt.TimeRange{{Start: clock(time.Hour), End: clock(2 * time.Hour)}}, "UTC"
	}), nats.Token("x"))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v", err)
	}
}

func TestServerEnforcesConnectionTypes(t *testing.T) {
	url := serverWithUserJWT(t, func(uc *jwt.UserClaims) { uc.AllowedConnectionTypes = []string{"WEBSOCKET"} })
	nc, err := nats.Connect(url, nats.Token("x"))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v", err)
	}
	nc, err = nats.Connect(serverWithUserJWT(t, func(uc *jwt.UserClaims) { uc.AllowedConnectionTypes = []string{"STANDARD"} }), nats.Token("x"))
	must(t, err)
	nc.Close()
}

func TestServerEnforcesExpiry(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 8)
	nc, err := nats.Connect(serverWithUserJWT(t, func(uc *jwt.UserClaims) { uc.Expires = time.Now().Add(2 * time.Second).Unix() }),
		nats.Token("x"), nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failed <- err }))
	must(t, err)
	defer nc.Close()
	if err := <-failed; !errors.Is(err, nats.ErrAuthExpired) {
		t.Errorf("got %v", err)
	}
}
