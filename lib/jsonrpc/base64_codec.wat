;; Base64 (RFC 4648, section 4), sixteen letters at a time. `npm run wasm` puts it into base64_codec.ts. Relaxed swizzles
;; are one instruction each, where strict ones are two or three, and give the same for every index that there is here.
(module
  ;; 128 KiB for what goes in and what comes out, and 1.5 MiB for frames that go out and what is written too far at their end.
  (memory (export "memory") 27)

  ;; Groups of twelve bytes to groups of sixteen letters. Four bytes behind the last group are read, too.
  (func (export "encode") (param $from i32) (param $to i32) (param $groups i32)
    (local $v v128) (local $row v128)
    (local $order v128) (local $factors v128) (local $odd v128) (local $first v128) (local $third v128)
    (local $c51 v128) (local $c26 v128) (local $c13 v128) (local $offsets v128)
    ;; Of three bytes a b c a lane of b a c b: six bits are where a shift or a product by a power of two brings them down.
    (local.set $order (v128.const i8x16 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10))
    (local.set $factors (i32x4.splat (i32.const 0x1000010)))
    (local.set $odd (i32x4.splat (i32.const 0x3f003f00)))
    (local.set $first (i32x4.splat (i32.const 0x3f)))
    (local.set $third (i32x4.splat (i32.const 0x3f0000)))
    (local.set $c51 (i8x16.splat (i32.const 51)))
    (local.set $c26 (i8x16.splat (i32.const 26)))
    (local.set $c13 (i8x16.splat (i32.const 13)))
    ;; What is added to 26..51, to each of 52..61, to 62, to 63 and to 0..25.
    (local.set $offsets (v128.const i8x16 71 -4 -4 -4 -4 -4 -4 -4 -4 -4 -4 -19 -16 65 0 0))
    (loop $next
      ;; Six bits to a byte, the first lowest.
      (local.set $v (i8x16.relaxed_swizzle (v128.load (local.get $from)) (local.get $order)))
      (local.set $v
        (v128.or
          (v128.or
            (v128.and (i16x8.shr_u (local.get $v) (i32.const 10)) (local.get $first))
            (v128.and (i16x8.shr_u (local.get $v) (i32.const 6)) (local.get $third)))
          (v128.and (i16x8.mul (local.get $v) (local.get $factors)) (local.get $odd))))
      ;; 0 for 26..51, 1 to 10 for digits, 11, 12, and 13 for what is below 26.
      (local.set $row
        (v128.or
          (i8x16.sub_sat_u (local.get $v) (local.get $c51))
          (v128.and (i8x16.gt_s (local.get $c26) (local.get $v)) (local.get $c13))))
      (v128.store (local.get $to)
        (i8x16.add (local.get $v) (i8x16.relaxed_swizzle (local.get $offsets) (local.get $row))))
      (local.set $from (i32.add (local.get $from) (i32.const 12)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $next (local.tee $groups (i32.sub (local.get $groups) (i32.const 1))))))

  ;; Groups of sixteen letters to groups of twelve bytes. Four bytes behind the last group are written, too. The letters
  ;; are masked (RFC 6455, section 5.3) with the key, of which the first letter has the lowest byte. Answers 1 when there
  ;; was anything but letters of the alphabet.
  (func (export "decode") (param $from i32) (param $to i32) (param $groups i32) (param $key i32) (result i32)
    (local $v v128) (local $high v128) (local $wrong v128) (local $keys v128)
    (local $c15 v128) (local $slash v128) (local $lows v128) (local $highs v128) (local $offsets v128)
    (local $pairs v128) (local $weights v128) (local $order v128)
    (local.set $keys (i32x4.splat (local.get $key)))
    (local.set $c15 (i8x16.splat (i32.const 15)))
    (local.set $slash (i8x16.splat (i32.const 47)))
    ;; A bit for each kind of row of ASCII. No letter has one that both its halves name.
    (local.set $lows
      (v128.const i8x16
        0x15 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x11 0x13 0x1a 0x1b 0x1b 0x1b 0x1a))
    (local.set $highs
      (v128.const i8x16
        0x10 0x10 0x01 0x02 0x04 0x08 0x04 0x08 0x10 0x10 0x10 0x10 0x10 0x10 0x10 0x10))
    ;; What is added to a letter, by its higher half; that of `/` is one less than that of `+`.
    (local.set $offsets (v128.const i8x16 0 16 19 4 -65 -65 -71 -71 0 0 0 0 0 0 0 0))
    (local.set $pairs (i16x8.splat (i32.const 0x140)))
    (local.set $weights (i32x4.splat (i32.const 0x11000)))
    (local.set $order (v128.const i8x16 2 1 0 6 5 4 10 9 8 14 13 12 -1 -1 -1 -1))
    (loop $next
      (local.set $v (v128.xor (v128.load (local.get $from)) (local.get $keys)))
      (local.set $high (v128.and (i32x4.shr_u (local.get $v) (i32.const 4)) (local.get $c15)))
      (local.set $wrong
        (v128.or (local.get $wrong)
          (v128.and
            (i8x16.relaxed_swizzle (local.get $lows) (v128.and (local.get $v) (local.get $c15)))
            (i8x16.relaxed_swizzle (local.get $highs) (local.get $high)))))
      (local.set $v
        (i8x16.add (local.get $v)
          (i8x16.relaxed_swizzle (local.get $offsets)
            (i8x16.add (local.get $high) (i8x16.eq (local.get $v) (local.get $slash))))))
      ;; Twice six bits to twelve, the first highest, and those to twenty-four; then three bytes of each lane.
      (local.set $v
        (i32x4.dot_i16x8_s
          (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $pairs) (local.get $v))
          (local.get $weights)))
      (v128.store (local.get $to) (i8x16.relaxed_swizzle (local.get $v) (local.get $order)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 12)))
      (br_if $next (local.tee $groups (i32.sub (local.get $groups) (i32.const 1)))))
    (v128.any_true (local.get $wrong))))
