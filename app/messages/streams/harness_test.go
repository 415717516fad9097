package streams_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/app/devserver"
	"usher/app/messages/streams"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// site is a nats-server with JetStream, and usher's connections into its accounts A and B.
type site struct {
	t  *testing.T
	js map[string]jetstream.JetStream
}

var errNoAccount = errors.New("there is no such account")

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nats-server.conf")
	text := fmt.Sprintf("listen: \"127.0.0.1:%d\"\njetstream { store_dir: %s }\n", callouttest.FreePort(t), strconv.Quote(filepath.ToSlash(dir))) +
		"accounts { A { jetstream: enabled, users: [{user: A, password: x}] }, B { jetstream: enabled, users: [{user: B, password: x}] } }\n"
	callouttest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	srv, err := devserver.Start(devserver.Config{ConfigFile: file, LogFile: filepath.Join(dir, "log")})
	callouttest.Must(t, err)
	t.Cleanup(srv.Stop)
	s := &site{t: t, js: map[string]jetstream.JetStream{}}
	for _, account := range []string{"A", "B"} {
		nc := apptest.Connected(t, srv.URL(), nats.UserInfo(account, "x"))
		s.js[account], err = jetstream.New(nc)
		callouttest.Must(t, err)
	}
	return s
}

func (s *site) jetStream(_ context.Context, account string) (jetstream.JetStream, error) {
	if js, ok := s.js[account]; ok {
		return js, nil
	}
	return nil, errNoAccount
}

func (s *site) service() *streams.Service {
	return streams.New(streams.Config{
		JetStream: s.jetStream, Replicas: 1, Storage: jetstream.MemoryStorage, MaxBytes: -1, Log: slog.New(slog.DiscardHandler),
	})
}

// publish stores n messages.
func (s *site) publish(subject string, n int) {
	s.t.Helper()
	for range n {
		_, err := s.js["A"].Publish(s.t.Context(), subject, []byte("x"))
		callouttest.Must(s.t, err)
	}
}

func (s *site) stream() *jetstream.StreamInfo {
	s.t.Helper()
	stream, err := s.js["A"].Stream(s.t.Context(), "P")
	callouttest.Must(s.t, err)
	return stream.CachedInfo()
}

func (s *site) consumer(name string) *jetstream.ConsumerInfo {
	s.t.Helper()
	c, err := s.js["A"].Consumer(s.t.Context(), "P", name)
	callouttest.Must(s.t, err)
	return c.CachedInfo()
}

func (s *site) has(stream, consumer string) bool {
	s.t.Helper()
	_, err := s.js["A"].Consumer(s.t.Context(), stream, consumer)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
		s.t.Fatal(err)
	}
	return err == nil
}

// project returns project P in account A as a snapshot has it. Topics are "T" or "T=subject",
// subscriptions "S:T" or "S:T:seconds".
func project(t *testing.T, topics, subs []string) *directory.Project {
	t.Helper()
	return projectNamed(t, "P", topics, subs)
}

func projectNamed(t *testing.T, name string, topics, subs []string) *directory.Project {
	t.Helper()
	p := directory.Project{ID: uuid.MustParse("5b3f8f6e-6a0c-4a52-9d0b-6d6f3c1c2a10"), Name: name, Account: "A"}
	for _, text := range topics {
		parts := split(text, '=')
		p.Topics = append(p.Topics, directory.Topic{Name: parts[0], Subject: parts[1]})
	}
	for _, text := range subs {
		parts := split(text, ':')
		seconds, err := strconv.Atoi(cmp.Or(parts[2], "0"))
		callouttest.Must(t, err)
		p.Subscriptions = append(p.Subscriptions, directory.Subscription{Name: parts[0], Topic: parts[1], AckDeadline: seconds})
	}
	snap, err := snapshot.New(directory.Records{Projects: []directory.Project{p}})
	callouttest.Must(t, err)
	out, _ := snap.Project(name)
	return out
}

func split(text string, by rune) [3]string {
	var out [3]string
	i := 0
	for _, r := range text {
		if r == by {
			i++
			continue
		}
		out[i] += string(r)
	}
	return out
}
