// Package ratelimit limits the rate of failed attempts with token buckets, by host
// and by credential. A source may fail only at a bounded rate, however often it
// succeeds.
//
// It promises that its memory is bounded and that it keeps no credential, only a
// hash that is valid in this process. It decides nothing: the caller asks whether
// an attempt has failures left.
package ratelimit
