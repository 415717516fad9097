package sessions

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"time"
	"unique"

	"usher/callout/session"
	"usher/identity"
	"usher/tokens"
)

// record is a session in few bytes. What is longer than usual is in odd.
type record struct {
	who      *principal
	peer     unique.Handle[peer]
	odd      *odd
	client   uint64
	revision uint64
	started  int64 // nanoseconds since 1970, noTime or oddTime
	decided  int64
	expires  int64
	addr     [16]byte
	nkey     [nkeyLength]byte
	request  [requestLength]byte
	tag      uint32 // of the user's name
	form     form
}

// requestLength is the number of bytes of a request id, which is in hexadecimal digits.
const requestLength = 12

// form says which fields of a record are set.
type form uint8

const (
	hasRequest form = 1 << iota
	hasNKey
	hasAddr
	hasIPv4
)

// Times that are no number of nanoseconds.
const (
	noTime  = math.MinInt64
	oddTime = math.MinInt64 + 1
)

// peer is what many connections have in common.
type peer struct {
	server, serverName, instance string
	client                       tokens.Client
	types                        string // connection types, joined
}

// odd has what does not fit into a record.
type odd struct {
	request, nkey, mqtt string
	addr                netip.Addr // with a zone
	started, decided    time.Time
	expires             time.Time
}

// separator joins names, which are one line each.
const separator = "\n"

func joined(names []string) string { return strings.Join(names, separator) }

func split(names string) []string {
	if names == "" {
		return nil
	}
	return strings.Split(names, separator)
}

// newRecord returns the record of s without its principal and tag.
func newRecord(s *session.Session) record {
	var o odd
	r := record{
		peer: unique.Make(peer{
			server: s.Server, serverName: s.ServerName, instance: s.Instance,
			client: s.Client, types: joined(s.Grant.Connection.Types),
		}),
		client: s.ID.Client, revision: s.Revision,
	}
	r.started, o.started = packTime(s.Started)
	r.decided, o.decided = packTime(s.Decided)
	r.expires, o.expires = packTime(s.Expires)
	if raw, err := hex.DecodeString(s.RequestID); err == nil && len(raw) == requestLength && hex.EncodeToString(raw) == s.RequestID {
		r.request, r.form = [requestLength]byte(raw), r.form|hasRequest
	} else {
		o.request = strings.Clone(s.RequestID)
	}
	if raw := packNKey(s.UserNKey); len(raw) == nkeyLength {
		r.nkey, r.form = [nkeyLength]byte(raw), r.form|hasNKey
	} else {
		o.nkey = string(raw)
	}
	switch {
	case s.Addr.Zone() != "":
		o.addr = s.Addr
	case s.Addr.Is4():
		r.addr, r.form = s.Addr.As16(), r.form|hasAddr|hasIPv4
	case s.Addr.IsValid():
		r.addr, r.form = s.Addr.As16(), r.form|hasAddr
	}
	o.mqtt = strings.Clone(s.Grant.Connection.MQTTClientID)
	if o != (odd{}) {
		r.odd = &o
	}
	return r
}

func packTime(t time.Time) (n int64, kept time.Time) {
	switch year := t.UTC().Year(); {
	case t.IsZero():
		return noTime, time.Time{}
	case year < 1700 || year > 2200: // UnixNano goes from 1678 to 2262
		return oddTime, t.UTC()
	default:
		return t.UnixNano(), time.Time{}
	}
}

func unpackTime(n int64, kept time.Time) time.Time {
	switch n {
	case noTime:
		return time.Time{}
	case oddTime:
		return kept
	default:
		return time.Unix(0, n).UTC()
	}
}

// id returns the ID of the session.
func (r *record) id() session.ID {
	return session.ID{Server: r.peer.Value().server, Client: r.client}
}

// mqtt returns the MQTT client id.
func (r *record) mqtt() string {
	if r.odd == nil {
		return ""
	}
	return r.odd.mqtt
}

// session returns the session of a record.
func (r *Registry) session(rec *record) *session.Session {
	s := new(session.Session)
	rec.show(s)
	rec.who.complete(s)
	if d := rec.who.detail; d != nil {
		s.Identity.Attributes = r.unpackAttributes(d.attributes)
	}
	if rec.form&hasRequest != 0 {
		s.RequestID = hex.EncodeToString(rec.request[:])
	}
	if rec.form&hasNKey != 0 {
		s.UserNKey = unpackNKey(rec.nkey[:])
	}
	s.Grant.Connection.Types = split(rec.peer.Value().types)
	s.Closes = r.closesAt(s.ID)
	return s
}

// address returns the address of the client.
func (r *record) address() netip.Addr {
	switch {
	case r.form&hasIPv4 != 0:
		return netip.AddrFrom16(r.addr).Unmap()
	case r.form&hasAddr != 0:
		return netip.AddrFrom16(r.addr)
	case r.odd != nil:
		return r.odd.addr
	default:
		return netip.Addr{}
	}
}

// show sets what filters look at, but for rules, subjects and projects, without allocating.
func (r *record) show(s *session.Session) {
	r.who.show(s)
	peer, o := r.peer.Value(), r.odd
	if o == nil {
		o = &odd{}
	}
	s.ID, s.ServerName, s.Instance, s.Client = session.ID{Server: peer.server, Client: r.client}, peer.serverName, peer.instance, peer.client
	s.Revision, s.Started, s.Decided = r.revision, unpackTime(r.started, o.started), unpackTime(r.decided, o.decided)
	s.Expires = unpackTime(r.expires, o.expires)
	s.RequestID, s.UserNKey, s.Addr = o.request, o.nkey, r.address()
	s.Grant.Connection = identity.Connection{MQTTClientID: o.mqtt}
}
