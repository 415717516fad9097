// Package claims decodes the claims of authorization requests, as nats-server writes
// them. encoding/json needs five times as long for them, and an allocation for each
// string.
//
// It promises that the result of Decode is that of encoding/json. It decides nothing: it leaves
// every text that nats-server would not write, valid or not, to encoding/json.
package claims

import "github.com/nats-io/jwt/v2"

// MaxText is the longest text that Decode decodes, in bytes: enough for the longest token
// that fits into max_control_line of nats-server, 4 KB by default, and for requests of MQTT
// clients, which contain it twice. The strings of the claims share the memory of the text,
// so whoever keeps one keeps all of it.
const MaxText = 16 << 10

// Decode decodes claims. ok is false if the text is too long, is not JSON, or is not
// written as nats-server writes the claims of most clients: without white space, with
// the exact member names of jwt/v2, strings of ASCII without escapes, numbers without
// a sign, and no certificates.
func Decode(text string) (c *jwt.AuthorizationRequestClaims, ok bool) {
	if len(text) > MaxText {
		return nil, false
	}
	d := decoder{rest: text}
	c = new(jwt.AuthorizationRequestClaims)
	d.claims(c)
	return c, !d.failed && d.rest == ""
}

func (d *decoder) claims(c *jwt.AuthorizationRequestClaims) {
	d.object(func(name string) {
		switch name {
		case "aud":
			d.text(&c.Audience)
		case "exp":
			d.seconds(&c.Expires)
		case "jti":
			d.text(&c.ID)
		case "iat":
			d.seconds(&c.IssuedAt)
		case "iss":
			d.text(&c.Issuer)
		case "name":
			d.text(&c.Name)
		case "nbf":
			d.seconds(&c.NotBefore)
		case "sub":
			d.text(&c.Subject)
		case "nats":
			d.request(&c.AuthorizationRequest)
		default:
			d.failed = true
		}
	})
}

func (d *decoder) request(r *jwt.AuthorizationRequest) {
	d.object(func(name string) {
		switch name {
		case "server_id":
			d.server(&r.Server)
		case "user_nkey":
			d.text(&r.UserNkey)
		case "client_info":
			d.client(&r.ClientInformation)
		case "connect_opts":
			d.options(&r.ConnectOptions)
		case "client_tls":
			if r.TLS == nil {
				r.TLS = new(jwt.ClientTLS)
			}
			d.tls(r.TLS)
		case "request_nonce":
			d.text(&r.RequestNonce)
		case "tags":
			d.list(&r.Tags)
		case "type":
			d.text((*string)(&r.Type))
		case "version":
			d.int(&r.Version)
		default:
			d.failed = true
		}
	})
}

func (d *decoder) server(s *jwt.ServerID) {
	d.object(func(name string) {
		switch name {
		case "name":
			d.text(&s.Name)
		case "host":
			d.text(&s.Host)
		case "id":
			d.text(&s.ID)
		case "version":
			d.text(&s.Version)
		case "cluster":
			d.text(&s.Cluster)
		case "tags":
			d.list(&s.Tags)
		case "xkey":
			d.text(&s.XKey)
		default:
			d.failed = true
		}
	})
}

func (d *decoder) client(c *jwt.ClientInformation) {
	d.object(func(name string) {
		switch name {
		case "host":
			d.text(&c.Host)
		case "id":
			d.unsigned(&c.ID)
		case "user":
			d.text(&c.User)
		case "name":
			d.text(&c.Name)
		case "tags":
			d.list(&c.Tags)
		case "name_tag":
			d.text(&c.NameTag)
		case "kind":
			d.text(&c.Kind)
		case "type":
			d.text(&c.Type)
		case "mqtt_id":
			d.text(&c.MQTT)
		case "nonce":
			d.text(&c.Nonce)
		default:
			d.failed = true
		}
	})
}

func (d *decoder) options(o *jwt.ConnectOptions) {
	d.object(func(name string) {
		switch name {
		case "jwt":
			d.text(&o.JWT)
		case "nkey":
			d.text(&o.Nkey)
		case "sig":
			d.text(&o.SignedNonce)
		case "auth_token":
			d.text(&o.Token)
		case "user":
			d.text(&o.Username)
		case "pass":
			d.text(&o.Password)
		case "name":
			d.text(&o.Name)
		case "lang":
			d.text(&o.Lang)
		case "version":
			d.text(&o.Version)
		case "protocol":
			d.int(&o.Protocol)
		default:
			d.failed = true
		}
	})
}

func (d *decoder) tls(t *jwt.ClientTLS) {
	d.object(func(name string) {
		switch name {
		case "version":
			d.text(&t.Version)
		case "cipher":
			d.text(&t.Cipher)
		default:
			d.failed = true
		}
	})
}
