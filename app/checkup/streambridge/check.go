package streambridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"usher/app/checkup/endpoint"
	"usher/app/checkup/finding"
	"usher/app/checkup/gateway"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/stanbridge/stanpb"
	"usher/internal/fault"
)

// limit is how long each question may take.
const limit = 5 * time.Second

// Check appends what it finds about stan_bridge to f; nothing if there is no bridge. offline:
// it looks at files only.
func Check(ctx context.Context, f *finding.List, cfg *config.Config, offline bool) {
	const check = "stan bridge"
	c := &cfg.StanBridge
	if len(c.URLs) == 0 {
		return
	}
	where := strings.Join(c.URLs, ",")
	opts, err := natsconn.BridgeOptions(cfg)
	if err != nil {
		endpoint.FailedFile(f, check, "see docs/how-to/stan-bridge.md", err)
		return
	}
	own := gateway.JudgeClient(f, check, c.TLS.CertFile, time.Now())
	if offline {
		return
	}
	nc, err := nats.Connect(where, append(opts, nats.Name("usher check"), nats.Timeout(limit), nats.NoReconnect())...)
	if err != nil {
		f.Fail(fault.Runtime, check, where, "is the server running, and is the bridge's certificate or credential one of its users?", "%v%s", err, own)
		return
	}
	defer nc.Close()
	checkAnswer(ctx, f, check, where, nc, c.ClusterID)
	checkStream(ctx, f, where, nc, c)
}

// checkAnswer asks with a ping, which changes nothing, who serves the cluster ID.
func checkAnswer(ctx context.Context, f *finding.List, check, where string, nc *nats.Conn, cluster string) {
	data, err := proto.Marshal(&stanpb.Ping{ConnId: []byte("usher check")})
	if err != nil {
		f.Fail(fault.Runtime, check, where, "", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, "_STAN.discover."+cluster+".pings", data)
	var pong stanpb.PingResponse
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		f.Warn(check, where, "is usher serve running? look at /readyz and its log", "no bridge serves cluster ID %s", cluster)
	case err != nil:
		f.Warn(check, where, "the user of the bridge must be allowed to publish _STAN.discover."+cluster+".pings for this check", "cannot ask for a bridge: %v", err)
	case proto.Unmarshal(m.Data, &pong) != nil || pong.GetError() != "":
		f.Fail(fault.Config, check, where, "stop it: it would store every message too, and its own clients alone", "a NATS Streaming server serves cluster ID %s", cluster)
	default:
		f.OK(check, where, "a bridge serves cluster ID %s", cluster)
	}
}

func checkStream(ctx context.Context, f *finding.List, where string, nc *nats.Conn, c *config.StanBridge) {
	const check = "stan bridge stream"
	js, err := jetstream.New(nc)
	if c.Domain != "" {
		js, err = jetstream.NewWithDomain(nc, c.Domain)
	}
	if err != nil {
		f.Fail(fault.Runtime, check, where, "", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := js.Stream(ctx, c.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && c.Managed:
		f.Warn(check, where, "usher serve creates it", "there is no stream %s", c.Stream)
		return
	case errors.Is(err, jetstream.ErrStreamNotFound):
		f.Fail(fault.Config, check, where, "create it, or leave stan_bridge.managed out", "there is no stream %s", c.Stream)
		return
	case err != nil:
		f.Fail(fault.Runtime, check, where, "does the server with the stream run, and is stan_bridge.domain its JetStream domain?", "stream %s: %v", c.Stream, err)
		return
	}
	info := s.CachedInfo()
	before := len(*f)
	checkSubjects(f, check, where, &info.Config, c)
	checkSettings(f, check, where, &info.Config)
	if len(*f) == before {
		f.OK(check, where, "stream %s: %d messages, %s", c.Stream, info.State.Msgs, describe(&info.Config))
	}
}

// checkSubjects reports channels whose subject the stream does not capture.
func checkSubjects(f *finding.List, check, where string, s *jetstream.StreamConfig, c *config.StanBridge) {
	for _, channel := range c.Channels {
		subject := strings.Replace(c.Subject, "{channel}", channel, 1)
		if !slices.ContainsFunc(s.Subjects, func(pattern string) bool { return captures(pattern, subject) }) {
			f.Fail(fault.Config, check, where, "add the subject to the stream, or change stan_bridge.subject",
				"stream %s does not capture %s: messages of channel %s are not acknowledged", s.Name, subject, channel)
		}
	}
}

// captures reports whether a subject of a stream matches a literal subject.
func captures(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range want {
		if token == ">" {
			return len(have) > i
		}
		if i >= len(have) || token != "*" && token != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

func checkSettings(f *finding.List, check, where string, s *jetstream.StreamConfig) {
	if s.Storage != jetstream.FileStorage {
		f.Warn(check, where, "a stream cannot be changed to file storage; create another one", "stream %s is in memory: acknowledged messages are lost with the server", s.Name)
	}
	if s.MaxAge == 0 && s.MaxBytes <= 0 && s.MaxMsgs <= 0 {
		f.Warn(check, where, "set a maximum age or size of the stream", "stream %s has no limit, and grows until the disk is full", s.Name)
	}
	if s.NoAck {
		f.Fail(fault.Config, check, where, "set no_ack: false", "stream %s acknowledges nothing, and neither does the bridge", s.Name)
	}
	if s.Sealed {
		f.Fail(fault.Config, check, where, "use another stream", "stream %s is sealed and takes no messages", s.Name)
	}
}

func describe(s *jetstream.StreamConfig) string {
	age := "kept without end"
	if s.MaxAge > 0 {
		age = fmt.Sprintf("kept for %v", s.MaxAge)
	}
	size := ""
	if s.MaxBytes > 0 {
		size = fmt.Sprintf(", at most %d bytes", s.MaxBytes)
	}
	return fmt.Sprintf("%d replica(s), %s%s", s.Replicas, age, size)
}
