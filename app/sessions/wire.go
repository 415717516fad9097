package sessions

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"

	"usher/directory"
	"usher/identity"
)

// The form of a batch: the byte wireVersion, then a block of S2 with the CBOR of wireBatch.
// Fields have numbers, so that a later version can add some, which this one leaves out.
const wireVersion = 1

// Bounds of a batch that Decode accepts.
const (
	maxBatch    = 8 << 20 // bytes, as NATS takes at most (max_payload is 1 MiB by default, and 64 MiB at most)
	maxPlain    = 4 << 20 // bytes of CBOR
	maxSessions = 4096
	maxRules    = 1 << 16 // in all grants of the batch; one has fewer, as it fits into an answer
	maxDepth    = 64      // of a principal, whose attributes may be nested
	maxNested   = 1024    // of the batch. More than maxDepth, so that one bad principal is only one
)

// wireBatch has each peer, grant and principal once. Others refer to it by its place.
type wireBatch struct {
	Peers      []cbor.RawMessage `cbor:"1,keyasint,omitempty"` // wirePeer
	Grants     []cbor.RawMessage `cbor:"2,keyasint,omitempty"` // wireGrant
	Principals []cbor.RawMessage `cbor:"3,keyasint,omitempty"` // wirePrincipal
	Sessions   []wireSession     `cbor:"4,keyasint,omitempty"`
}

// wirePeer is what many connections have in common.
type wirePeer struct {
	Server     string   `cbor:"1,keyasint,omitempty"`
	ServerName string   `cbor:"2,keyasint,omitempty"`
	Instance   string   `cbor:"3,keyasint,omitempty"`
	Name       string   `cbor:"4,keyasint,omitempty"`
	Lang       string   `cbor:"5,keyasint,omitempty"`
	Version    string   `cbor:"6,keyasint,omitempty"`
	Kind       string   `cbor:"7,keyasint,omitempty"`
	Type       string   `cbor:"8,keyasint,omitempty"`
	Types      []string `cbor:"9,keyasint,omitempty"` // connection types
}

type wireGrant struct {
	Account      string                     `cbor:"1,keyasint,omitempty"`
	Scope        string                     `cbor:"2,keyasint,omitempty"`
	Rules        []wireRule                 `cbor:"3,keyasint,omitempty"`
	InboxPrefix  string                     `cbor:"4,keyasint,omitempty"`
	Types        []directory.ConnectionType `cbor:"5,keyasint,omitempty"`
	WholeAccount bool                       `cbor:"6,keyasint,omitempty"`
	Networks     []netip.Prefix             `cbor:"7,keyasint,omitempty"`
	NotAfter     *wireTime                  `cbor:"8,keyasint,omitempty"`
	Tags         []string                   `cbor:"9,keyasint,omitempty"`
}

type wireRule struct {
	_                                                            struct{} `cbor:",toarray"`
	Side, Effect, Subject, Source, Role, Project, Resource, Name string
}

// wirePrincipal is who has a session, and by which credential.
type wirePrincipal struct {
	Name       string              `cbor:"1,keyasint,omitempty"`
	ID         string              `cbor:"2,keyasint,omitempty"`
	Attributes identity.Attributes `cbor:"3,keyasint,omitempty"`
	Authority  identity.Authority  `cbor:"4,keyasint,omitempty"`
	Method     identity.Method     `cbor:"5,keyasint,omitempty"`
	KeyID      string              `cbor:"6,keyasint,omitempty"`
	NotAfter   *wireTime           `cbor:"7,keyasint,omitempty"`
	Networks   []netip.Prefix      `cbor:"8,keyasint,omitempty"`
	Project    string              `cbor:"9,keyasint,omitempty"`
	Account    string              `cbor:"10,keyasint,omitempty"`
	OwnName    bool                `cbor:"11,keyasint,omitempty"`
	Verifier   string              `cbor:"12,keyasint,omitempty"`
	Rules      []string            `cbor:"13,keyasint,omitempty"`
	Profile    string              `cbor:"14,keyasint,omitempty"`
	Digest     []byte              `cbor:"15,keyasint,omitempty"`
	Grant      int                 `cbor:"16,keyasint,omitempty"`
	Adopted    bool                `cbor:"17,keyasint,omitempty"`
	Ruleset    uint64              `cbor:"19,keyasint,omitempty"`
	KeyPrint   uint64              `cbor:"18,keyasint,omitempty"`
}

type wireSession struct {
	Peer         int         `cbor:"1,keyasint,omitempty"`
	Principal    int         `cbor:"2,keyasint,omitempty"`
	Client       uint64      `cbor:"3,keyasint,omitempty"`
	RequestID    string      `cbor:"4,keyasint,omitempty"`
	Revision     uint64      `cbor:"5,keyasint,omitempty"`
	UserNKey     []byte      `cbor:"6,keyasint,omitempty"` // the key, or else the text
	Started      *wireTime   `cbor:"7,keyasint,omitempty"`
	Expires      *wireTime   `cbor:"8,keyasint,omitempty"`
	Addr         *netip.Addr `cbor:"9,keyasint,omitempty"`
	MQTTClientID string      `cbor:"10,keyasint,omitempty"`
	Decided      *wireTime   `cbor:"11,keyasint,omitempty"` // nil: Started
	Follows      *wireTime   `cbor:"12,keyasint,omitempty"`
}

// wireTime is a time other than the zero time, exactly.
type wireTime struct {
	_           struct{} `cbor:",toarray"`
	Sec         int64
	Nanoseconds int64
}

func toWireTime(t time.Time) *wireTime {
	if t.IsZero() {
		return nil
	}
	return &wireTime{Sec: t.Unix(), Nanoseconds: int64(t.Nanosecond())}
}

func (t *wireTime) time() time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Unix(t.Sec, t.Nanoseconds).UTC()
}

// numberTag marks a json.Number, which attributes have where a float64 would lose digits.
// It is a number of those that anybody may use ("usher").
const numberTag = 0x7573686572

func wireTags() (cbor.TagSet, error) {
	tags := cbor.NewTagSet()
	err := tags.Add(cbor.TagOptions{DecTag: cbor.DecTagRequired, EncTag: cbor.EncTagRequired}, reflect.TypeFor[json.Number](), numberTag)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return tags, nil
}

func wireEncoding() (cbor.EncMode, error) {
	tags, err := wireTags()
	if err != nil {
		return nil, err
	}
	mode, err := cbor.EncOptions{Sort: cbor.SortBytewiseLexical, OmitEmpty: cbor.OmitEmptyGoValue}.EncModeWithTags(tags)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return mode, nil
}

func wireDecoding(depth int) (cbor.DecMode, error) {
	tags, err := wireTags()
	if err != nil {
		return nil, err
	}
	mode, err := cbor.DecOptions{
		MaxArrayElements: maxRules, MaxMapPairs: maxRules, MaxNestedLevels: depth, IndefLength: cbor.IndefLengthForbidden,
		DefaultMapType: reflect.TypeFor[map[string]any](), IntDec: cbor.IntDecConvertSignedOrBigInt,
		UTF8: cbor.UTF8DecodeInvalid, // a name that a client sent may be anything
	}.DecModeWithTags(tags)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return mode, nil
}
