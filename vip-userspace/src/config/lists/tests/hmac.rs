use super::super::hmac::{self, HmacKey, Secret};
use super::{place, quietly, read, saying};

const TEXT: &str = "0123456789abcdef0123456789ABCDEF";

fn fine(text: &str) -> HmacKey {
    quietly(text, |words, sink| {
        hmac::parse(&words[1..], place(words), sink)
    })
}

#[test]
fn a_key_is_text_digits_or_a_file() {
    let key = fine(&format!("key 255 {TEXT}"));
    assert_eq!(key.id, 255);
    assert_eq!(key.secret, Secret::Bytes(TEXT.as_bytes().into()));
    let key = fine(&format!("key 1 hex:{TEXT}{TEXT}"));
    let Secret::Bytes(bytes) = &key.secret else {
        panic!("{key:?}");
    };
    assert_eq!((bytes.len(), bytes[0], bytes[31]), (32, 0x01, 0xef));
    let key = fine("key 7 file:/etc/vip/key");
    let Secret::File(path) = &key.secret else {
        panic!("{key:?}");
    };
    assert_eq!(&*path.text, "/etc/vip/key");
    fine(&format!("key 1 \"{TEXT} {}\"", &TEXT[1..]));
}

#[test]
fn what_is_no_key_is_left_out_and_not_repeated() {
    for (text, what) in [
        ("key", "needs its number and the key"),
        ("key 1", "needs its number and the key"),
        ("key 0 x", "1 to 255, not `0`"),
        ("key 256 x", "1 to 255, not `256`"),
        ("key one x", "1 to 255, not `one`"),
        ("key 1 zebrazebra", "has 10 bytes; a key has 32 to 64"),
        ("key 1 hex:zebra", "hexadecimal digits"),
        ("key 1 hex:abc", "hexadecimal digits"),
        ("key 1 hex:abcd", "has 2 bytes"),
        ("key 1 file:key", "its whole path"),
        ("key 1 zebra zebra", "a key is one word"),
    ] {
        let (key, said) = read(text, |words, sink| {
            hmac::parse(&words[1..], place(words), sink)
        });
        assert_eq!((key, said.len()), (None, 1), "{text}");
        assert!(said[0].contains(what), "{text}: {said:?}");
        assert!(!said[0].contains("zebra"), "{text}: {said:?}");
    }
    let long = format!("key 1 {TEXT}{TEXT}x");
    let key = saying(&long, &["has 65 bytes"], |words, sink| {
        hmac::parse(&words[1..], place(words), sink)
    });
    assert_eq!(key, None);
    assert_eq!(
        format!("{:?}", fine(&format!("key 1 {TEXT}")).secret),
        "32 bytes"
    );
}
