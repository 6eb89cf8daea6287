//! Lines, variables, `@host`, `include`, braces, and what no file may be.

use super::*;

fn names(text: &str) -> Vec<String> {
    let instances = options(text)["instances"].clone();
    let all = instances.as_array().expect("a list").iter();
    all.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
}

fn one(name: &str) -> String {
    format!("vrrp_instance {name} {{ virtual_ipaddress {{ 10.0.0.1 }} }}\n")
}

#[test]
fn braces_may_stand_wherever_keepalived_accepts_them() {
    for text in [
        "vrrp_instance A {\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n",
        "vrrp_instance A\n{\n virtual_ipaddress\n\n {\n 10.0.0.1\n }\n}\n",
        "vrrp_instance A{virtual_ipaddress{10.0.0.1}}",
        "vrrp_instance \"A\" { virtual_ipaddress { \"10.0.0.1\" } }\r\n",
        "\u{feff}vrrp_instance A { virtual_ipaddress { 10.0.0.1 # {\n } } ! }\n",
    ] {
        assert_eq!(names(text), ["A"], "{text:?}");
        assert_eq!(options(text)["instances"][0]["addresses"], json!(["10.0.0.1/32"]));
    }
}

#[test]
fn comments_end_at_the_line_and_do_not_begin_in_quotation_marks() {
    let text = "! a comment { \n# another \"\n".to_owned()
        + "global_defs { router_id \"a#b!c\" # }\n }\n"
        + &one("A");
    assert_eq!(options(&text)["router_id"], "a#b!c");
    assert_eq!(
        options(&(r"global_defs { router_id a\#b }".to_owned() + "\n" + &one("A")))["router_id"],
        "a#b"
    );

    let latin = [b"# caf\xe9\n".as_slice(), one("A").as_bytes()].concat();
    let files = Files::default().with(MAIN, latin);
    assert!(translate(Path::new(MAIN), "web1", &files).is_ok(), "a comment has any octets");
}

#[test]
fn lines_for_another_host_do_not_count() {
    let text = "vrrp_instance A {\n@web1 priority 150\n@web2 priority 100\n@^web1 nopreempt\n\
        virtual_ipaddress {\n@^web2 10.0.0.1\n@web2 10.0.0.2\n}\n}\n";

    let instance = &options(text)["instances"][0];

    assert_eq!(instance["priority"], 150);
    assert_eq!(instance["preempt"], Value::Null);
    assert_eq!(instance["addresses"], json!(["10.0.0.1/32"]));
    assert_eq!(remarks(text), "");
    let said = remarks(&text.replace("web1", "main"));
    assert!(said.contains("Warning :2:1: @main: no line is for a host named \"web1\""), "{said}");
}

#[test]
fn variables_are_replaced_as_keepalived_does() {
    let text = "$BASE=10.2.${SUB}\n$SUB=0\n@web2 $SUB=9\n$PRIO = 1\n\
        vrrp_instance A_${_INSTANCE} {\nvirtual_ipaddress {\n${BASE}.1\n}\n}\n";
    let said = refused(text);
    assert_eq!(
        said, ":4:1: unknown word \"$PRIO\"; keepalived does not know it outside of a block",
        "a definition has no blank before ="
    );
    let text = text.replace("$PRIO = 1\n", "");
    let said = refused(text.replace("${BASE}.1", "$SUB.0.0.1"));
    assert!(said.contains("got \"$SUB.0.0.1\""), "only a blank, a comma or ) may follow: {said}");
    let said = refused(text.replace("${BASE}.1", "  ${VIP}/24"));
    assert_eq!(said, ":6:3: expected a value: this variable is not defined");
    assert_eq!(names(&text), ["A_web1"]);
    assert_eq!(options(&text)["instances"][0]["addresses"], json!(["10.2.0.1/32"]));
}

#[test]
fn a_definition_of_several_lines_is_read_where_it_is_used() {
    let text = "$VIP= \\\n 10.0.${NUM}.1/24 \\\n @web2 10.0.${NUM}.9/24\n\
        $INSTANCE= \\\n vrrp_instance VI_${NUM} { \\\n  virtual_ipaddress { \\\n   $VIP \\\n \
        # a comment\n } \\\n }\n\
        $NUM=0\n$INSTANCE\n\n$NUM=1\n$INSTANCE\n";

    let options = options(text);

    assert_eq!(names(text), ["VI_0", "VI_1"]);
    assert_eq!(options["instances"][1]["addresses"], json!(["10.0.1.1/24"]));
    let wrong = text.replace("virtual_ipaddress", "virtual_ipadress");
    assert!(refused(wrong).starts_with(":6:3: unknown word"), "the line of the definition");
}

#[test]
fn files_are_included_in_order_and_relative_to_the_file_that_says_so() {
    let files = Files::default()
        .with(MAIN, "include conf.d/*.conf\ninclude nowhere/*.conf\n@web2 include missing\n")
        .with("/etc/keepalived/conf.d/1.conf", one("A"))
        .with("/etc/keepalived/conf.d/2.conf", "include deeper/x\n")
        .with("/etc/keepalived/conf.d/deeper/x", one("B_${_PWD}"))
        .with("/etc/keepalived/conf.d/3.conf", one("C_${_PWD}"));

    let translation = translate(Path::new(MAIN), "web1", &files).expect("it is right");

    let lua = translation.to_lua();
    let expected =
        ["name = \"A\"", "\"B_/etc/keepalived/conf.d/deeper\"", "\"C_/etc/keepalived/conf.d\""];
    let at: Vec<_> = expected.iter().map(|name| lua.find(name)).collect();
    assert!(at.is_sorted() && at.iter().all(Option::is_some), "{lua}");
    let said = translation.remarks[0].to_string();
    assert_eq!(
        said,
        format!(
            "{MAIN}:2:1: include: no file is named /etc/keepalived/nowhere/*.conf; keepalived \
                 goes on, too"
        )
    );
}

#[test]
fn what_cannot_be_included_is_refused() {
    let files = |text: &str| Files::default().with(MAIN, text);
    let said = |files: Files| {
        let complaints = translate(Path::new(MAIN), "web1", &files).expect_err("it is refused");
        complaints[0].to_string()
    };

    let looped = files("include a").with("/etc/keepalived/a", "\ninclude keepalived.conf");
    assert_eq!(said(looped), format!("/etc/keepalived/a:2:1: include loop: {MAIN} is being read"));
    assert!(said(files("includea x.conf")).ends_with("x.conf"), "it has to be there");
    assert!(said(files("include {a,b}.conf")).contains("one line for each file"));
    let deep = (0..40).fold(files("include 0"), |files, index| {
        files.with(&format!("/etc/keepalived/{index}"), format!("include {}", index + 1))
    });
    assert!(said(deep).contains("include nested deeper than 16 files"));
    let none = translate(Path::new("/x"), "web1", &Files::default()).expect_err("there is none");
    assert_eq!(none[0].to_string(), "/x:1:1: cannot read it: No such file or directory");
}

#[test]
fn braces_that_do_not_match_are_named_by_their_place() {
    for (text, expected) in [
        ("}", ":1:1: expected no }: no block is open"),
        ("\n {", ":2:2: expected a word before this {"),
        ("a { {", ":1:5: expected a word before this {"),
        ("router_id {{ name }}", ":1:11: expected a value: this is a template"),
        ("a {\nb {\n}", ":1:3: this { is never closed: expected a }"),
        (
            "vrrp_instance A {\ntrack_script {\n}\n\nvrrp_instance B {\n}",
            ":1:17: this { is never closed: expected a } before vrrp_instance in line 5",
        ),
        ("vrrp_instance A\n", ":1:15: expected a { behind \"A\""),
        ("vrrp_instance { }", ":1:1: expected a name behind vrrp_instance"),
        ("a \"b\nc\"", ":1:3: unclosed text: "),
    ] {
        let said = refused(text);
        assert!(said.starts_with(expected), "{text:?}: {said}");
    }
    assert!(refused("a {\n".repeat(100_000)).contains("blocks nested deeper than 16"));
}

#[test]
fn what_is_no_text_is_refused_at_its_first_octet() {
    assert_eq!(
        refused(b"\x7fELF\x02\x01\x00".as_slice()),
        ":1:1: this is no text: octet 0x7f; expected a keepalived.conf"
    );
    assert!(refused(b"a b\nc\0d".as_slice()).starts_with(":2:2: this is no text: octet 0x00"));
    assert!(refused(b"router \xe9\n".as_slice()).starts_with(":1:8: not valid UTF-8"));
}

#[test]
fn what_is_read_has_a_bound() {
    let long = refused("# a comment\n".repeat(1 << 20));
    assert!(long.contains("is too long: 4 MiB are the limit, with all that is included"), "{long}");
    assert!(refused("a".repeat(1024)).contains("more than 1023 octets, which keepalived ignores"));
    assert!(refused("$A=${A}${A}\n$A").contains("does one refer to itself?"));
    let bomb = "$A= \\\n x \\\n x\n".to_owned()
        + &('B'..='Z').zip('A'..='Y').fold(String::new(), |bomb, (name, before)| {
            bomb + &format!("${name}= \\\n${before} \\\n${before}\n")
        })
        + "$Z\n";
    assert!(refused(bomb).contains("more than 200000 lines, with those of variables"));
    assert!(refused("$A= \\\n x \\\n $A\n$A").contains("variables nested deeper than 64"));
    let long = "$A= \\\n$A\\\n".to_owned() + &"x\\\n".repeat(6000) + "x\n$A\n";
    assert!(refused(long).contains("variables make more than 10000 lines of this one"));
}

#[test]
fn what_is_not_read_says_what_to_write_instead() {
    assert!(refused("~SEQ(A, 1, 3) $B").contains("write the lines that they stand for"));
    assert!(refused("a ${_ENV HOME}").contains("${_ENV …} is not known here: write the value"));
}
