package callout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
)

// skewEnv is a server in either mode, and the configuration for a service.
type skewEnv struct {
	url      string
	service  callouttest.ServiceConfig
	listener nats.Option
}

func skewModes() map[string]func(t *testing.T) skewEnv {
	return map[string]func(t *testing.T) skewEnv{
		"config": func(t *testing.T) skewEnv {
			t.Helper()
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Timeout: silenceTimeout})
			return skewEnv{
				url:      srv.URL(),
				service:  callouttest.ServiceConfig{URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys)},
				listener: nats.UserInfo(callouttest.ServiceUser, callouttest.Password),
			}
		},
		"operator": func(t *testing.T) skewEnv {
			t.Helper()
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{Timeout: silenceTimeout})
			return skewEnv{o.URLs(), callouttest.ServiceConfig{Operator: o}, nats.UserCredentials(o.ServiceCreds)}
		},
	}
}

// start starts a service whose clock is ahead of the server's by skew.
func (s skewEnv) start(t *testing.T, skew, leeway, lifetime time.Duration, directory string) *callouttest.Service {
	t.Helper()
	var clock callouttest.Clock
	clock.Advance(skew)
	cfg := s.service
	cfg.Now, cfg.Leeway, cfg.MaxLifetime, cfg.Directory = clock.Now, leeway, lifetime, callouttest.WithDigests(directory)
	return callouttest.StartService(t, cfg)
}

// The clocks differ by five minutes. With callout.clock_skew: 5m all clients connect,
// whichever clock is ahead. With the default of 5 s, an usher that is ahead treats every
// request as expired and does not answer, so no client is denied. An usher that is behind
// answers, because the requests have not expired by its clock.
func TestClockSkew(t *testing.T) {
	t.Parallel() // mostly waits
	const skew, lifetime = 5 * time.Minute, 10 * time.Minute
	for mode, start := range skewModes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			for _, c := range []struct {
				name         string
				skew, leeway time.Duration
				code         string
			}{
				{"ahead, 5 m", skew, 5 * time.Minute, callout.CodeGranted},
				{"behind, 5 m", -skew, 5 * time.Minute, callout.CodeGranted},
				{"ahead, 5 s", skew, 5 * time.Second, callout.CodeRequestExpired},
				{"behind, 5 s", -skew, 5 * time.Second, callout.CodeGranted},
			} {
				t.Run(c.name, func(t *testing.T) {
					service := s.start(t, c.skew, c.leeway, lifetime, callouttest.DirectoryYAML)
					now := time.Now()
					if c.code == callout.CodeGranted {
						callouttest.Must(t, attempt(s.url, nats.Token("publisher-key")))
					} else {
						expectNoAnswer(t, s.url, func() bool { return len(service.Events(t)) > 0 }, nats.Token("publisher-key"))
					}
					e := service.WaitEvent(t, c.code)
					for _, e := range service.Events(t) {
						if e.Text("code") != c.code {
							t.Errorf("event %v", e)
						}
					}
					if c.code != callout.CodeGranted {
						return
					}
					// The lifetime counts by usher's clock. The server sees it shifted by the
					// skew. A tenth of it is random.
					expires, err := time.Parse(time.RFC3339, e.Text("expires"))
					callouttest.Must(t, err)
					if lives := expires.Sub(now) - c.skew; lives < lifetime*9/10-2*time.Second || lives > lifetime+time.Since(now) {
						t.Errorf("lifetime of the user JWT by the server's clock: %s", expires.Sub(now))
					}
				})
			}
		})
	}
}

// The expiry of a key is a time, and the server enforces it by its own clock. So an usher
// that is behind extends no connection. With one that is ahead the key expires early.
//
// Attack: a client uses an expired key while the clocks differ
// Held by: the user JWT expires with the key, and the server enforces that by its own clock
func TestKeyExpiresWithClockSkew(t *testing.T) {
	t.Parallel() // mostly waits
	const skew = 5 * time.Minute
	for mode, start := range skewModes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			endsIn := func(d time.Duration) (ends time.Time, directory string) {
				ends = time.Now().Add(d).Truncate(time.Second)
				return ends, strings.Replace(callouttest.DirectoryYAML, "KEY(publisher-key)",
					fmt.Sprintf("KEY(publisher-key), expires: %s", ends.UTC().Format(time.RFC3339)), 1)
			}
			ends, directory := endsIn(skew / 2)
			refusals := s.listen(t)

			ahead := s.start(t, skew, skew, 0, directory)
			if err := attempt(s.url, nats.Token("publisher-key")); !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("connect: %v", err)
			}
			ahead.WaitEvent(t, "key_expired")
			ahead.Stop(t)
			nextReason(t, refusals)

			service := s.start(t, -skew, skew, 0, directory)
			ended := make(chan error, 8)
			var nc *nats.Conn
			callouttest.Eventually(t, "the client connects before its key expires", func() bool {
				ends, directory = endsIn(4 * time.Second)
				service.SetDirectory(t, callouttest.WithDigests(directory))
				var err error
				nc, err = nats.Connect(s.url, nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.NoReconnect(),
					nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { ended <- err }))
				if err == nil {
					return true
				}
				if time.Now().Before(ends) {
					t.Fatal(err)
				}
				nextReason(t, refusals) // the machine is too slow
				return false
			})
			defer nc.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, nats.ErrAuthExpired) {
					t.Errorf("disconnected: %v", err)
				}
			case <-time.After(4 * testTimeout): // much less than the skew
				t.Fatal("timed out waiting for the disconnect")
			}
			if late := time.Since(ends); late < -2*time.Second {
				t.Errorf("disconnected %s before the key expired", -late)
			}
			// By usher's clock the key is still valid. The server refuses the user JWT from
			// the second after its expiry.
			callouttest.Eventually(t, "the key has expired", func() bool { return time.Now().Unix() > ends.Unix() })
			if err := attempt(s.url, nats.Token("publisher-key")); !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("connect: %v", err)
			}
			if reason := nextReason(t, refusals); !strings.Contains(reason, "claim is expired") {
				t.Errorf("refused because: %s", reason)
			}
			service.WaitEvent(t, callout.CodeGranted)
		})
	}
}

// An usher that is behind by more than user_jwt.max_lifetime issues expired user JWTs: it
// grants, and the server refuses all clients. The lifetime must be well above the clock
// skew (docs/explanation/lifetimes.md).
func TestLifetimeShorterThanSkew(t *testing.T) {
	s := skewModes()["config"](t)
	refusals := s.listen(t)
	service := s.start(t, -5*time.Minute, 5*time.Minute, time.Minute, callouttest.DirectoryYAML)
	if err := attempt(s.url, nats.Token("publisher-key")); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connect: %v", err)
	}
	if reason := nextReason(t, refusals); !strings.Contains(reason, "claim is expired") {
		t.Errorf("refused because: %s", reason)
	}
	service.WaitEvent(t, callout.CodeGranted)
}

// listen subscribes to the auth error events of the server.
func (s skewEnv) listen(t *testing.T) *nats.Subscription {
	t.Helper()
	nc, err := nats.Connect(s.url, s.listener, nats.Timeout(testTimeout))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	sub, err := nc.SubscribeSync("$SYS.ACCOUNT.CLIENT.AUTH.ERR")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	return sub
}
