package kv

// For tests.
var (
	Encode = encode
	Decode = decode
)
