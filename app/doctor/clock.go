package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
)

// Server is what the service user learns from a server.
type Server struct {
	URL        string        `json:"url"`
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Cluster    string        `json:"cluster,omitempty"`
	MaxPayload int64         `json:"max_payload"`
	TLS        bool          `json:"tls"`
	RoundTrip  time.Duration `json:"round_trip_nanoseconds"`
	Offset     time.Duration `json:"clock_ahead_nanoseconds"` // its clock is ahead of this one; exact to half a round trip
}

// maxOffset is how far clocks may be apart. Times in tokens and user JWTs are whole seconds,
// so 2 s are more than rounding.
const maxOffset = 2 * time.Second

// samples is how often a server is asked for its time; the answer that comes first tells most.
const samples = 3

// checkClocks asks every server of nats.urls for its time, as the service user. A server to
// which it cannot connect is a finding of checkup.
func checkClocks(ctx context.Context, f *finding.List, cfg *config.Config) []Server {
	opts, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return nil
	}
	var all []Server
	for _, url := range cfg.NATS.URLs {
		s, err := askTime(ctx, url, opts)
		if err != nil || s == nil {
			continue
		}
		all = append(all, *s)
		s.check(f)
	}
	return all
}

// check appends whether the clock of a server agrees with this one, beyond what the round
// trip leaves open.
func (s *Server) check(f *finding.List) {
	const check = "clock offset"
	direction := "ahead of"
	if s.Offset < 0 {
		direction = "behind"
	}
	about := fmt.Sprintf("the clock of %s is %v %s this machine's (round trip %v)", s.Name,
		s.Offset.Abs().Round(time.Millisecond), direction, s.RoundTrip.Round(time.Microsecond))
	if s.Offset.Abs()-s.RoundTrip/2 >= maxOffset {
		f.Warn(check, s.URL, "synchronize the clocks of both machines (NTP)", "%s: tokens and user JWTs are valid too late or too long", about)
		return
	}
	f.OK(check, s.URL, "%s", about)
}

// askTime returns a server's time, as far ahead of this clock; nil: it does not tell.
func askTime(ctx context.Context, url string, opts []nats.Option) (*Server, error) {
	nc, err := nats.Connect(url, append(append([]nats.Option{}, opts...), nats.Name("usher-doctor"), nats.Timeout(deployment.ConnectTimeout),
		nats.NoReconnect(), nats.IgnoreDiscoveredServers(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	_, tlsErr := nc.TLSConnectionState()
	s := &Server{
		URL: url, ID: nc.ConnectedServerId(), Name: nc.ConnectedServerName(), Version: nc.ConnectedServerVersion(),
		Cluster: nc.ConnectedClusterName(), MaxPayload: nc.MaxPayload(), TLS: tlsErr == nil,
	}
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	for i := range samples {
		sent := time.Now()
		m, err := nc.RequestWithContext(ctx, "$SYS.REQ.USER.INFO", nil) // which answers every user
		took := time.Since(sent)
		if err != nil {
			return nil, err
		}
		var answer struct {
			Server struct {
				Time time.Time `json:"time"`
			} `json:"server"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return nil, err
		}
		if answer.Server.Time.IsZero() {
			return nil, nil //nolint:nilnil // an older server
		}
		if i == 0 || took < s.RoundTrip {
			s.RoundTrip, s.Offset = took, answer.Server.Time.Sub(sent.Add(took/2))
		}
	}
	return s, nil
}
