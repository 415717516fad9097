package users

import (
	"net/http"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

// OtherKeyRoutes returns the routes of the keys of a user that are no API keys.
func (h *Handlers) OtherKeyRoutes() []rest.Route {
	routes := nkeys().routes("nkey", "/nkeys", "an nkey", "the nkeys", wire.NKeyInput{}, wire.NKey{}, wire.NKeyList{},
		" The user connects with the seed of this public nkey, which usher never sees.")
	routes = append(routes, certificates().routes("certificate", "/certificates", "a certificate", "the certificates", wire.CertificateInput{}, wire.Certificate{}, wire.CertificateList{},
		" A client with a certificate of this subject, which the NATS server has verified, connects as the user.")...)
	routes = append(routes, bindings().routes("binding", "/bindings", "a binding", "the bindings", wire.BindingInput{}, wire.Binding{}, wire.BindingList{},
		" A client with a certificate of this subject gets a short-lived key of the user. Such keys are removed with the binding, and when it is disabled.")...)
	return append(routes, h.passwordRoutes()...)
}

// routes returns the routes of keys of one kind, with the words for one and for all of
// them. effect says what a new one is for.
func (o *otherKeys) routes(noun, path, one, all string, in, item, list any, effect string) []rest.Route {
	access, reader := rest.Admins(), rest.Readers()
	every := pathUser + path
	single := every + "/{key}"
	return []rest.Route{
		{
			Name: noun + ".list", Method: http.MethodGet, Path: every, Access: reader, Handler: o.list,
			Doc:      "Lists " + all + " of a user.",
			Response: list, Paged: true, BeyondAMS: true,
		},
		{
			Name: noun + ".create", Method: http.MethodPost, Path: every, Access: access, Handler: o.create,
			Doc:  "Adds " + one + " to a user." + effect,
			Body: in, Response: item, ETag: true, BeyondAMS: true,
		},
		{
			Name: noun + ".show", Method: http.MethodGet, Path: single, Access: reader, Handler: o.showOne,
			Doc:      "Returns " + one + " of a user.",
			Response: item, ETag: true, BeyondAMS: true,
		},
		{
			Name: noun + ".update", Method: http.MethodPut, Path: single, Access: access, Handler: o.update,
			Doc:  "Changes whether " + one + " works, when and from where. Fields that are not set stay as they are.",
			Body: wire.KeyTerms{}, Response: item, ETag: true, BeyondAMS: true,
		},
		{
			Name: noun + ".delete", Method: http.MethodDelete, Path: single, Access: access, Handler: o.remove,
			Doc:  "Removes " + one + ". It is refused from the next connect on; " + openConnections,
			ETag: true, BeyondAMS: true,
		},
	}
}

func nkeys() *otherKeys {
	one := func(k *directory.Key) wire.NKey { return wire.NKey{Key: keyOf(k), NKey: k.Other.NKey} }
	return &otherKeys{
		kind: directory.KeyNKey,
		show: func(k *directory.Key) any { return one(k) },
		page: func(keys []*directory.Key, next string, total int) any {
			return wire.NKeyList{NKeys: each(keys, one), NextPageToken: next, TotalSize: total}
		},
		read: func(body any) (string, directory.OtherKey, *wire.KeyTerms) {
			in, _ := body.(*wire.NKeyInput)
			return in.Name, directory.OtherKey{Kind: directory.KeyNKey, NKey: in.NKey}, &in.KeyTerms
		},
	}
}

func certificates() *otherKeys {
	one := func(k *directory.Key) wire.Certificate {
		return wire.Certificate{Key: keyOf(k), Subject: k.Other.DN}
	}
	return &otherKeys{
		kind: directory.KeyCertificate,
		show: func(k *directory.Key) any { return one(k) },
		page: func(keys []*directory.Key, next string, total int) any {
			return wire.CertificateList{Certificates: each(keys, one), NextPageToken: next, TotalSize: total}
		},
		read: func(body any) (string, directory.OtherKey, *wire.KeyTerms) {
			in, _ := body.(*wire.CertificateInput)
			return in.Name, directory.OtherKey{Kind: directory.KeyCertificate, DN: in.Subject}, &in.KeyTerms
		},
	}
}

func bindings() *otherKeys {
	one := func(k *directory.Key) wire.Binding {
		return wire.Binding{Key: keyOf(k), Subject: k.Other.DN, ServiceType: k.Other.ServiceType, Host: k.Other.Host}
	}
	return &otherKeys{
		kind: directory.KeyBinding,
		show: func(k *directory.Key) any { return one(k) },
		page: func(keys []*directory.Key, next string, total int) any {
			return wire.BindingList{Bindings: each(keys, one), NextPageToken: next, TotalSize: total}
		},
		read: func(body any) (string, directory.OtherKey, *wire.KeyTerms) {
			in, _ := body.(*wire.BindingInput)
			other := directory.OtherKey{Kind: directory.KeyBinding, DN: in.Subject, ServiceType: in.ServiceType, Host: in.Host}
			return in.Name, other, &in.KeyTerms
		},
	}
}

// each converts keys; the result is never null in JSON.
func each[T any](keys []*directory.Key, one func(*directory.Key) T) []T {
	all := make([]T, len(keys))
	for i, k := range keys {
		all[i] = one(k)
	}
	return all
}
