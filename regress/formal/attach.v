(* SPDX-License-Identifier: ISC

On-demand attachments: an inductive proof (Paulson's method) of T1, T3, T4 and
that the run can happen, for any number of runs, servers, users, recipients
and messages, with compromise at any time, without axioms.  make formal runs
it where coqc is.  Checks have the names they have in attach.rules.

A trace is the list of what happened, the last first.  TLS is not relied on:
the attacker sees all, makes up any content or reference, even one that he
could not guess, and lacks only the signatures of those who are not his. *)

Require Import List.
Import ListNotations.

Definition server := nat.
Definition content := nat.
Definition nonce := nat.
Definition key := nat.
Definition ref := nat.
Record addr := Addr { usr : nat; dom : server }.
Inductive digest := H (n : content).

(* theMessage: From, text, (SS|U), H(N). *)
Record mail := Mail {
	from : addr; body : content; loc : server; uref : ref; dig : digest }.

(* What is signed; the constructors are the tags (TAGS). *)
Inductive text :=
| M1 (s : server) (f : addr) (L : list addr) (b n : content) (r : nonce)
| M2 (t : server) (a : addr) (m : mail) (r : nonce)
| TheSig (m : mail)
| M3q (s : server) (q : nonce)
| M3 (a : addr) (q : nonce) (v : ref)
| M4 (s : server) (v : ref) (q : nonce)
| M5 (a : addr) (q : nonce) (v : ref) (m : mail)
| M6 (s : server) (k : key) (aud : server) (q : nonce)
| Token (i : server) (a : addr) (k : key) (aud : server)
| M7 (a : addr) (q : nonce) (i : server) (c : addr) (k : key) (aud : server)
| M8 (a : addr) (s : server) (u : ref) (q : nonce)
| M9 (a : addr) (u : ref) (q : nonce) (d : digest).

Inductive item :=
| Sig (s : server) (t : text)		(* by a domain *)
| Mac (a : addr) (t : text)		(* by a user's login *)
| KSig (k : key) (t : text).		(* by the key of a token *)

Inductive event :=
| BadServer (s : server)
| BadUser (a : addr)
| Net (i : item)
| Sent (a : addr) (L : list addr) (b n : content)
| Stored (s : server) (u : ref) (f : addr) (L : list addr) (b n : content)
| Deliv (a : addr) (v : ref) (m : mail)
| Listing (a : addr) (q : nonce)
| Getting (a : addr) (v : ref) (q : nonce)
| View (a : addr) (m : mail)
| TokKey (a : addr) (k : key) (aud : server) (q : nonce)
| Asked (a : addr) (s : server) (u : ref) (q : nonce) (k : key)
| Served (s : server) (a : addr) (u : ref) (q : nonce) (n : content)
| Got (a : addr) (m : mail) (q : nonce) (n : content).

Definition trace := list event.

(* What the attacker has: what was ever sent, and what he can sign himself. *)
Inductive known (tr : trace) : item -> Prop :=
| known_said i : In (Net i) tr -> known tr i
| known_server s t : In (BadServer s) tr -> known tr (Sig s t)
| known_user a t : In (BadUser a) tr -> known tr (Mac a t)
| known_key k t : (forall a s q, ~ In (TokKey a k s q) tr) ->
    known tr (KSig k t).

Inductive step (tr : trace) : event -> Prop :=
(* The attacker. *)
| bad_server s : step tr (BadServer s)
| bad_user a : step tr (BadUser a)
| fake i : known tr i -> step tr (Net i)
(* 1 *)
| send a L b n : step tr (Sent a L b n)
| msg1 a L b n r : In (Sent a L b n) tr ->
    step tr (Net (Mac a (M1 (dom a) a L b n r)))
(* 2: RETADDR; a reference is given once *)
| store a s f L b n r u : In (Net (Mac a (M1 s f L b n r))) tr ->
    dom a = s -> f = a ->
    (forall f' L' b' n', ~ In (Stored s u f' L' b' n') tr) ->
    step tr (Stored s u f L b n)
| msg2 s u f L b n a r : In (Stored s u f L b n) tr -> In a L ->
    step tr (Net (Sig s (M2 (dom a) a (Mail f b s u (H n)) r)))
| thesig s u f L b n : In (Stored s u f L b n) tr ->
    step tr (Net (Sig s (TheSig (Mail f b s u (H n)))))
(* DEST, DOMAIN, REFOWNER, MSIG *)
| deliver g t a m r v : In (Net (Sig g (M2 t a m r))) tr -> t = dom a ->
    dom (from m) = g -> loc m = g ->
    In (Net (Sig (dom (from m)) (TheSig m))) tr -> step tr (Deliv a v m)
(* 3 *)
| list_ask a q : step tr (Listing a q)
| msg3q a q : In (Listing a q) tr -> step tr (Net (Mac a (M3q (dom a) q)))
| msg3 a q v m : In (Net (Mac a (M3q (dom a) q))) tr -> In (Deliv a v m) tr ->
    step tr (Net (Sig (dom a) (M3 a q v)))
(* 4 *)
| get_ask a q v q' : In (Listing a q) tr ->
    In (Net (Sig (dom a) (M3 a q v))) tr -> step tr (Getting a v q')
| msg4 a v q : In (Getting a v q) tr -> step tr (Net (Mac a (M4 (dom a) v q)))
(* 5: VOWNER *)
| msg5 a v q m : In (Net (Mac a (M4 (dom a) v q))) tr -> In (Deliv a v m) tr ->
    step tr (Net (Sig (dom a) (M5 a q v m)))
(* M5BODY, SSFWD, REFOWNER_RC *)
| view a v q m : In (Getting a v q) tr ->
    In (Net (Sig (dom a) (M5 a q v m))) tr ->
    In (Net (Sig (dom (from m)) (TheSig m))) tr -> loc m = dom (from m) ->
    step tr (View a m)
(* 6: a key that nobody has used *)
| tok_ask a m k q : In (View a m) tr ->
    (forall t, ~ In (Net (KSig k t)) tr) ->
    (forall a' s q', ~ In (TokKey a' k s q') tr) ->
    step tr (TokKey a k (loc m) q)
| msg6 a k s q : In (TokKey a k s q) tr ->
    step tr (Net (Mac a (M6 (dom a) k s q)))
(* 7 *)
| token a k s q : In (Net (Mac a (M6 (dom a) k s q))) tr ->
    step tr (Net (Sig (dom a) (Token (dom a) a k s)))
| msg7 a k s q : In (Net (Mac a (M6 (dom a) k s q))) tr ->
    step tr (Net (Sig (dom a) (M7 a q (dom a) a k s)))
(* 8: TOKKEY *)
| fetch_ask a m k q q' : In (View a m) tr -> In (TokKey a k (loc m) q) tr ->
    In (Net (Sig (dom a) (M7 a q (dom a) a k (loc m)))) tr ->
    In (Net (Sig (dom a) (Token (dom a) a k (loc m)))) tr ->
    step tr (Asked a (loc m) (uref m) q' k)
| msg8 a s u q k : In (Asked a s u q k) tr ->
    step tr (Net (KSig k (M8 a s u q)))
(* 9: HOK (one k), SUBJECT (one a), AUD, DEST, ISSUER, RCLIST *)
| serve s i a k aud t u q f L b n : In (Net (KSig k (M8 a t u q))) tr ->
    In (Net (Sig i (Token i a k aud))) tr -> aud = s -> t = s -> i = dom a ->
    In (Stored s u f L b n) tr -> In a L -> step tr (Served s a u q n)
| msg9 s a u q n : In (Served s a u q n) tr ->
    step tr (Net (Sig s (M9 a u q (H n))))
(* FULLNAME, UBIND (u and q), HASHN *)
| take a m k q n : In (View a m) tr -> In (Asked a (loc m) (uref m) q k) tr ->
    In (Net (Sig (loc m) (M9 a (uref m) q (H n)))) tr -> dig m = H n ->
    step tr (Got a m q n).

Inductive run : trace -> Prop :=
| run_nil : run []
| run_step tr e : run tr -> step tr e -> run (e :: tr).

(* --- where things come from --- *)

Lemma run_tail : forall tr tr', run (tr' ++ tr) -> run tr.
Proof.
	induction tr' as [| e tr' IH]; simpl; intros R; [ easy |].
	inversion R; auto.
Qed.

(* Induction over the run: the last event is of one of the steps, and if the
attacker's, then said before or signed by whom he has; all others were there. *)
Ltac origin :=
	induction 1 as [| tr e Hrun IH Hstep]; intros Hin; [ now destruct Hin |];
	destruct Hin as [He | Hin];
	[ subst; inversion Hstep; subst;
	  try match goal with K : known _ _ |- _ => inversion K; subst end
	| ].

Lemma m1_origin : forall a s f L b n r tr, run tr ->
    In (Net (Mac a (M1 s f L b n r))) tr ->
    In (BadUser a) tr \/ f = a /\ s = dom a /\ In (Sent a L b n) tr.
Proof.
	intros a s f L b n r; origin; simpl;
	    first [ solve [ auto 6 ] | destruct IH as [|[? [? ?]]]; auto 6 ].
Qed.

Lemma stored_origin : forall s u f L b n tr, run tr ->
    In (Stored s u f L b n) tr ->
    dom f = s /\ (In (BadUser f) tr \/ In (Sent f L b n) tr).
Proof.
	intros s u f L b n; origin; simpl.
	- split; auto.
	  match goal with K : In (Net (Mac _ (M1 _ _ _ _ _ _))) _ |- _ =>
	    destruct (m1_origin _ _ _ _ _ _ _ _ Hrun K) as [|[? [? ?]]] end; auto.
	- destruct IH as [? [|]]; auto.
Qed.

Lemma stored_once : forall s u f L b n f' L' b' n' tr, run tr ->
    In (Stored s u f L b n) tr -> In (Stored s u f' L' b' n') tr ->
    (f, L, b, n) = (f', L', b', n').
Proof.
	intros s u f L b n f' L' b' n'.
	induction 1 as [| tr e Hrun IH Hstep]; intros A B; [ now destruct A |].
	destruct A as [A | A], B as [B | B]; auto.
	- congruence.
	- subst; inversion Hstep; subst.
	  match goal with K : forall _ _ _ _, ~ _ |- _ => now apply K in B end.
	- subst; inversion Hstep; subst.
	  match goal with K : forall _ _ _ _, ~ _ |- _ => now apply K in A end.
Qed.

Lemma thesig_origin : forall s m tr, run tr ->
    In (Net (Sig s (TheSig m))) tr ->
    In (BadServer s) tr \/ exists u f L b n,
    m = Mail f b s u (H n) /\ In (Stored s u f L b n) tr.
Proof.
	intros s m; origin; simpl; auto.
	- destruct IH as [|(u & f & L & b & n & ? & ?)]; auto.
	  right; exists u, f, L, b, n; auto.
	- right; exists u, f, L, b, n; auto.
	- destruct IH as [|(u & f & L & b & n & ? & ?)]; auto.
	  right; exists u, f, L, b, n; auto.
Qed.

Lemma served_origin : forall s a u q n tr, run tr ->
    In (Served s a u q n) tr -> exists f L b k,
    In (Stored s u f L b n) tr /\ In a L /\
    In (Net (KSig k (M8 a s u q))) tr /\
    In (Net (Sig (dom a) (Token (dom a) a k s))) tr.
Proof.
	intros s a u q n; origin; simpl.
	- exists f, L, b, k; auto 6.
	- destruct IH as (f & L & b & k & ? & ? & ? & ?); auto.
	  exists f, L, b, k; auto 6.
Qed.

Lemma m9_origin : forall s a u q n tr, run tr ->
    In (Net (Sig s (M9 a u q (H n)))) tr ->
    In (BadServer s) tr \/ In (Served s a u q n) tr.
Proof.
	intros s a u q n; origin; simpl;
	    first [ solve [ auto ] | destruct IH; auto ].
Qed.

Lemma got_origin : forall a m q n tr, run tr -> In (Got a m q n) tr ->
    loc m = dom (from m) /\ dig m = H n /\
    In (Net (Sig (dom (from m)) (TheSig m))) tr /\
    In (Net (Sig (loc m) (M9 a (uref m) q (H n)))) tr.
Proof.
	assert (V : forall a m tr, run tr -> In (View a m) tr ->
	    loc m = dom (from m) /\
	    In (Net (Sig (dom (from m)) (TheSig m))) tr).
	{ intros a m; origin; simpl;
	    first [ solve [ auto ] | destruct IH; auto ]. }
	intros a m q n; origin; simpl.
	- match goal with K : In (View _ _) _ |- _ =>
	    destruct (V _ _ _ Hrun K) end; auto 6.
	- destruct IH as (? & ? & ? & ?); auto 6.
Qed.

(* --- T3: SS serves only whom SC listed --- *)
Theorem T3 : forall s a u q n tr, run tr -> In (Served s a u q n) tr ->
    exists f L b, In (Stored s u f L b n) tr /\ In a L /\ dom f = s /\
    (In (BadUser f) tr \/ In (Sent f L b n) tr).
Proof.
	intros s a u q n tr R S.
	destruct (served_origin _ _ _ _ _ _ R S) as (f & L & b & k & ? & ? & _).
	destruct (stored_origin _ _ _ _ _ _ _ R H0) as [? ?].
	exists f, L, b; auto.
Qed.

(* --- T10: what RC took for himself SS served to him --- *)
Theorem T10 : forall a m q n tr, run tr -> In (Got a m q n) tr ->
    In (BadServer (loc m)) tr \/ In (Served (loc m) a (uref m) q n) tr.
Proof.
	intros a m q n tr R G.
	destruct (got_origin _ _ _ _ _ R G) as (_ & _ & _ & K).
	exact (m9_origin _ _ _ _ _ _ R K).
Qed.

(* --- T1: RC got N, return address SC: SC sent N, to RC, with that text.
The recipient's server is not trusted. --- *)
Theorem T1 : forall a m q n tr, run tr -> In (Got a m q n) tr ->
    In (BadServer (dom (from m))) tr \/ In (BadUser (from m)) tr \/
    exists L, In (Sent (from m) L (body m) n) tr /\ In a L.
Proof.
	intros a m q n tr R G.
	destruct (got_origin _ _ _ _ _ R G) as (E & D & S & _).
	destruct (thesig_origin _ _ _ R S) as [|(u & f & L & b & n' & M & A)];
	    auto.
	destruct (T10 _ _ _ _ _ R G) as [B | B].
	{ rewrite E in B; auto. }
	destruct (T3 _ _ _ _ _ _ R B) as (f' & L' & b' & A' & I & _ & C).
	pose proof (f_equal from M) as M1; pose proof (f_equal body M) as M2.
	pose proof (f_equal uref M) as M3; simpl in *.
	rewrite E, M3 in A'.
	pose proof (stored_once _ _ _ _ _ _ _ _ _ _ _ R A A') as Q.
	injection Q; intros; subst f' L' b' n'.
	rewrite M1, M2; right.
	destruct C; eauto.
Qed.

(* The same of the moment when he gets it: what comes later does not count. *)
Corollary T1_then : forall a m q n tr' tr, run (tr' ++ Got a m q n :: tr) ->
    In (BadServer (dom (from m))) tr \/ In (BadUser (from m)) tr \/
    exists L, In (Sent (from m) L (body m) n) tr /\ In a L.
Proof.
	intros a m q n tr' tr R; apply run_tail in R.
	destruct (T1 a m q n _ R (in_eq _ _)) as [[?|?]|[[?|?]|(L & [?|?] & ?)]];
	    try discriminate; eauto.
Qed.

(* --- T4: SS serves in RC's name only what RC asked of it --- *)
Lemma token_origin : forall i i' a k s tr, run tr ->
    In (Net (Sig i (Token i' a k s))) tr ->
    In (BadServer i) tr \/ i = dom a /\ exists q,
    In (Net (Mac a (M6 (dom a) k s q))) tr.
Proof.
	intros i i' a k s; origin; simpl;
	    first [ solve [ eauto 8 ] | destruct IH as [|[? [? ?]]]; eauto 8 ].
Qed.

Lemma m6_origin : forall a i k s q tr, run tr ->
    In (Net (Mac a (M6 i k s q))) tr ->
    In (BadUser a) tr \/ In (TokKey a k s q) tr.
Proof.
	intros a i k s q; origin; simpl;
	    first [ solve [ auto ] | destruct IH; auto ].
Qed.

(* With an honest key only what its owner asks is signed. *)
Lemma ksig_origin : forall k t a s q tr, run tr ->
    In (Net (KSig k t)) tr -> In (TokKey a k s q) tr -> exists a' s' u q',
    t = M8 a' s' u q' /\ In (Asked a' s' u q' k) tr.
Proof.
	intros k t a s q.
	induction 1 as [| tr e Hrun IH Hstep]; intros A B; [ now destruct A |].
	destruct A as [A | A], B as [B | B]; subst; try discriminate.
	- inversion Hstep; subst.
	  + match goal with K : known _ _ |- _ => inversion K; subst end.
	    * destruct IH as (a' & s' & u & q' & ? & ?); auto.
	      exists a', s', u, q'; simpl; auto.
	    * match goal with K : forall _ _ _, ~ _ |- _ => now apply K in B end.
	  + exists a0, s0, u, q0; simpl; auto.
	- inversion Hstep; subst.
	  match goal with K : forall _, ~ _ |- _ => now apply K in A end.
	- destruct IH as (a' & s' & u & q' & ? & ?); auto.
	  exists a', s', u, q'; simpl; auto.
Qed.

Theorem T4 : forall s a u q n tr, run tr -> In (Served s a u q n) tr ->
    In (BadServer (dom a)) tr \/ In (BadUser a) tr \/
    exists k, In (Asked a s u q k) tr.
Proof.
	intros s a u q n tr R S.
	destruct (served_origin _ _ _ _ _ _ R S) as (_ & _ & _ & k & _ & _ & K & T).
	destruct (token_origin _ _ _ _ _ _ R T) as [|[_ [q' P]]]; auto.
	destruct (m6_origin _ _ _ _ _ _ R P) as [|Q]; auto.
	destruct (ksig_origin _ _ _ _ _ _ R K Q) as (a' & s' & u' & q2 & E & A).
	injection E; intros; subst; eauto.
Qed.

(* --- The run can happen: to each of any number of recipients, with nobody
compromised and without the attacker's doing anything --- *)
Ltac here := simpl; auto 40.
Ltac absent := simpl; intros; intuition discriminate.

Theorem reach : forall f L a b n, In a L -> exists m q tr, run tr /\
    In (Got a m q n) tr /\ from m = f /\ body m = b /\
    (forall s, ~ In (BadServer s) tr) /\ (forall c, ~ In (BadUser c) tr).
Proof.
	intros f L a b n I.
	pose (m := Mail f b (dom f) 0 (H n)).
	exists m, 0, [
	    Got a m 0 n;
	    Net (Sig (dom f) (M9 a 0 0 (H n)));
	    Served (dom f) a 0 0 n;
	    Net (KSig 0 (M8 a (dom f) 0 0));
	    Asked a (dom f) 0 0 0;
	    Net (Sig (dom a) (M7 a 0 (dom a) a 0 (dom f)));
	    Net (Sig (dom a) (Token (dom a) a 0 (dom f)));
	    Net (Mac a (M6 (dom a) 0 (dom f) 0));
	    TokKey a 0 (dom f) 0;
	    View a m;
	    Net (Sig (dom a) (M5 a 0 0 m));
	    Net (Mac a (M4 (dom a) 0 0));
	    Getting a 0 0;
	    Net (Sig (dom a) (M3 a 0 0));
	    Net (Mac a (M3q (dom a) 0));
	    Listing a 0;
	    Deliv a 0 m;
	    Net (Sig (dom f) (TheSig m));
	    Net (Sig (dom f) (M2 (dom a) a m 0));
	    Stored (dom f) 0 f L b n;
	    Net (Mac f (M1 (dom f) f L b n 0));
	    Sent f L b n ].
	split; [| split; [ here | split; [ easy | split; [ easy |
	    split; absent ]]]].
	repeat apply run_step; [ apply run_nil | .. ].
	- apply send.
	- apply msg1; here.
	- eapply store with (a := f) (r := 0); try reflexivity; [ here | absent ].
	- eapply msg2; [ here | exact I ].
	- eapply thesig; here.
	- eapply deliver with (g := dom f) (t := dom a) (r := 0); here.
	- apply list_ask.
	- apply msg3q; here.
	- eapply msg3; here.
	- eapply get_ask with (q := 0); here.
	- apply msg4; here.
	- apply msg5; here.
	- apply view with (v := 0) (q := 0); here.
	- apply (tok_ask _ a m 0 0); [ here | absent | absent ].
	- eapply msg6; here.
	- eapply token with (q := 0); here.
	- apply msg7; here.
	- apply (fetch_ask _ a m 0 0 0); here.
	- eapply msg8; here.
	- eapply serve with (i := dom a) (k := 0) (aud := dom f) (t := dom f);
	    try reflexivity; [ here | here | here | exact I ].
	- eapply msg9; here.
	- apply take with (k := 0); here.
Qed.

Print Assumptions T1_then.
Print Assumptions T3.
Print Assumptions T4.
Print Assumptions T10.
Print Assumptions reach.
