package kv_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

func topic(name string) directory.EntryKey {
	return directory.ResourceKey(directory.KindTopic, shop(), name)
}

// as commits a change of an author.
func as(t *testing.T, s *kv.Store, by kv.Author, entries ...directory.Entry) error {
	t.Helper()
	_, err := s.Change(kv.ByAuthor(t.Context(), by), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
	return err
}

// admin returns an administrator of the shop who is not a service_admin.
func admin() kv.Author { return kv.Author{User: uuid.New(), Project: shop()} }

// churn adds and removes topics with new names until a change is refused, and returns how
// many there were.
func churn(t *testing.T, s *kv.Store, prefix string, most int) (made int, err error) {
	t.Helper()
	for ; made < most; made++ {
		k := topic(fmt.Sprint(prefix, made))
		if err = as(t, s, admin(), directory.Entry{Key: k, Value: &directory.Topic{}}); err != nil {
			return made, err
		}
		callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: k}))
	}
	return made, nil
}

// Attack: an administrator of a project adds and removes topics in a loop, and each leaves a delete marker in the bucket
// Held by: entries and delete markers are charged to the project, which has a share of the bucket (directory.max_project_bytes)
func TestDeleteMarkersAreCharged(t *testing.T) {
	t.Parallel()
	const share = 20_000
	c := jetStream(t)
	now := time.Now
	cache := filepath.Join(t.TempDir(), "cache")
	cfg := kv.Config{Conn: c, Create: true, MaxProjectBytes: share, Now: func() time.Time { return now() }, Cache: cache}
	s := open(t, cfg)
	stop := run(t, s)
	setUp(t, loaded(t, s))
	made, err := churn(t, s, "a", 1000)
	if !errors.Is(err, kv.ErrShare) || made < 30 || made > 100 {
		t.Fatalf("%d topics were made and removed: %v", made, err)
	}
	if u := s.Status().Usage; u.RefusedShare != 1 || u.RefusedFull != 0 {
		t.Errorf("%+v", u)
	}
	// Removals, and changes of others, are still accepted.
	callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: topic("orders")}, directory.Entry{Key: ordersACL()}))
	callouttest.Must(t, as(t, s, kv.Author{User: uuid.New()}, directory.Entry{Key: topic("orders"), Value: &directory.Topic{}}))
	lab := directory.IDOf(directory.KindProject, "lab")
	callouttest.Must(t, as(t, s, kv.Author{User: uuid.New()}, directory.Entry{Key: directory.ProjectKey(lab), Value: &directory.Project{Name: "lab", Account: "APP"}}))
	callouttest.Must(t, as(t, s, kv.Author{User: uuid.New(), Project: lab}, directory.Entry{Key: directory.ResourceKey(directory.KindTopic, lab, "t"), Value: &directory.Topic{}}))

	// Other replicas count the same, whether they load the bucket or the cache.
	other := cfg
	other.Cache = ""
	if _, err := churn(t, loaded(t, start(t, other)), "b", 1); !errors.Is(err, kv.ErrShare) {
		t.Errorf("by another replica: %v", err)
	}
	stop()
	kept := open(t, cfg)
	if kept.Snapshot() == nil {
		t.Fatal("there is no snapshot on disk")
	}
	run(t, kept)
	if _, err := churn(t, kept, "c", 1); !errors.Is(err, kv.ErrShare) {
		t.Errorf("after a restart: %v", err)
	}
	// Delete markers expire, and the charges for them too.
	late := other
	late.Now = func() time.Time { return time.Now().Add(kv.MarkerLife + time.Minute) }
	if made, err := churn(t, loaded(t, start(t, late)), "d", 10); err != nil {
		t.Errorf("when the marks have gone: %d, %v", made, err)
	}
}

// A message that replaces another one is charged in its place, so edits of one entry do
// not add up.
func TestEditsAreChargedOnce(t *testing.T) {
	t.Parallel()
	s := loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true, MaxProjectBytes: 3000}))
	setUp(t, s)
	for i := range int64(30) {
		callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: topic("busy"), Value: &directory.Topic{Created: time.Unix(i, 0)}}))
		callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: topic("busy")}))
	}
	long := &directory.ACL{}
	for i := range steadyUsers {
		long.Users = append(long.Users, directory.IDOf(directory.KindUser, steady(i)))
	}
	big := directory.Entry{Key: directory.ResourceKey(directory.KindTopic, shop(), "big"), Value: &directory.Topic{}}
	callouttest.Must(t, as(t, s, admin(), big))
	// An entry that an administrator rewrites is charged to the project from then on.
	acl := directory.Entry{Key: ordersACL(), Value: long}
	callouttest.Must(t, as(t, s, admin(), acl))
	n := 0
	for ; n < 100; n++ {
		if err := as(t, s, admin(), directory.Entry{Key: topic(fmt.Sprint("more-", n)), Value: &directory.Topic{}}); err != nil {
			if !errors.Is(err, kv.ErrShare) {
				t.Error(err)
			}
			break
		}
	}
	if n == 0 || n > 10 {
		t.Errorf("%d more topics", n)
	}
	// A change that makes an entry shorter is still accepted.
	acl.Value = &directory.ACL{Users: long.Users[:1]}
	callouttest.Must(t, as(t, s, admin(), acl))
}

// Attack: the bucket is filled until no user can be removed or disabled any more
// Held by: the last fifth of the bucket's max_bytes is kept for removals and for changes that add nothing
func TestFullBucket(t *testing.T) {
	t.Parallel()
	const maxBytes = 100_000
	c := jetStream(t)
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true, MaxBytes: maxBytes}))
	js, err := jetstream.New(c)
	callouttest.Must(t, err)
	stream, err := js.Stream(t.Context(), "KV_usher")
	callouttest.Must(t, err)
	if got := stream.CachedInfo().Config.MaxBytes; got != maxBytes {
		t.Fatalf("max_bytes is %d", got)
	}
	var users []directory.Entry
	for i := 0; ; i++ {
		entries := member(fmt.Sprint("u", i))[:2]
		if err = as(t, s, kv.Author{}, entries...); err != nil {
			break
		}
		users = append(users, entries...)
	}
	if info, infoErr := stream.Info(t.Context()); !errors.Is(err, kv.ErrFull) || infoErr != nil || info.State.Bytes < maxBytes*7/10 || info.State.Bytes > maxBytes*8/10 {
		t.Fatalf("%v; %+v, %v", err, info, infoErr)
	}
	if u := s.Status().Usage; u.RefusedFull == 0 || u.Limit != maxBytes {
		t.Errorf("%+v", u)
	}
	off := *users[0].Value.(*directory.User)
	off.Disabled, off.Made.Modified, off.Made.By = true, time.Now(), uuid.New()
	callouttest.Must(t, as(t, s, kv.Author{}, directory.Entry{Key: users[0].Key, Value: &off}))
	for i := range users {
		users[i].Value = nil
	}
	for part := range slices.Chunk(users, 20) { // a batch takes room for all of it before what it replaces goes
		if err := as(t, s, kv.Author{}, part...); err != nil {
			t.Fatalf("they cannot be removed: %v", err)
		}
	}
	if got := s.Snapshot().Size(); got.Users != 0 {
		t.Errorf("%+v", got)
	}

	// Other programs can fill the bucket completely. Then a change fails at once.
	for i := 0; ; i++ {
		m, err := c.Request(fmt.Sprintf("$KV.usher.junk.%d", i), make([]byte, 1000), 10*time.Second)
		callouttest.Must(t, err)
		var ack struct{ Error *struct{} }
		callouttest.Must(t, json.Unmarshal(m.Data, &ack))
		if ack.Error != nil {
			break
		}
	}
	callouttest.Eventually(t, "the usage is known", func() bool { u := s.Status().Usage; return u.Near() && u.Bytes > maxBytes-2000 })
	if err := as(t, s, kv.Author{}, member("late")[:2]...); !errors.Is(err, kv.ErrFull) {
		t.Error(err)
	}
}

// The bucket of an embedded server gets the configured size. Any other existing bucket
// keeps its size.
func TestSizeOfBucket(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	js, err := jetstream.New(c)
	callouttest.Must(t, err)
	size := func() int64 {
		stream, err := js.Stream(t.Context(), "KV_usher")
		callouttest.Must(t, err)
		return stream.CachedInfo().Config.MaxBytes
	}
	for _, step := range []struct {
		own        bool
		want, have int64
	}{{false, 0, -1}, {false, 1 << 20, -1}, {true, 2 << 20, 2 << 20}, {true, 1 << 20, 1 << 20}, {false, 4 << 20, 1 << 20}} {
		var log callouttest.Buffer
		s := open(t, kv.Config{Conn: c, Create: true, Own: step.own, MaxBytes: step.want, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stop := run(t, s)
		add(t, loaded(t, s), fmt.Sprintf("u-%d-%t", step.want, step.own))
		if got := size(); got != step.have {
			t.Errorf("%+v: max_bytes is %d", step, got)
		}
		if warned, want := strings.Contains(log.String(), "has no max_bytes"), step.have < 0 && step.want > 0; warned != want {
			t.Errorf("%+v: %s", step, log.String())
		}
		callouttest.Eventually(t, "the limit is known", func() bool { return s.Status().Usage.Limit == max(step.have, 0) })
		stop()
	}
}

// MessageSize counts as the server does.
func TestSizeOfMessages(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true}))
	setUp(t, s)
	callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: topic("one"), Value: &directory.Topic{}}))
	callouttest.Must(t, as(t, s, admin(), directory.Entry{Key: topic("one")}, directory.Entry{Key: topic("two"), Value: &directory.Topic{}}))
	js, err := jetstream.New(c)
	callouttest.Must(t, err)
	stream, err := js.Stream(t.Context(), "KV_usher")
	callouttest.Must(t, err)
	var sum int64
	info := stream.CachedInfo()
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // overwritten
		}
		callouttest.Must(t, err)
		for _, added := range []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"} { // by a direct get
			m.Header.Del(added)
		}
		sum += quota.MessageSize(m.Subject, m.Header, m.Data)
	}
	if want := int64(info.State.Bytes); sum != want {
		t.Errorf("%d bytes, the server counts %d", sum, want)
	}
	callouttest.Eventually(t, "the status shows the usage", func() bool {
		u := s.Status().Usage
		return u.Bytes == sum && u.Messages == info.State.Msgs
	})
}
